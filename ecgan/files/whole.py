r"""Files and folders that are whole or not there, whatever kills the process (chapter 09)."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from ecgan.errors import EcganError

MANIFEST = "manifest.json"
UNFINISHED = ".unfinished-"
MIB = 2**20


class RunError(EcganError):
    r"""A run's folder that cannot be used; the message says what to do."""


class DamagedFolder(RunError):
    r"""A folder that does not hold what its manifest says."""


def explained(error: OSError, path: Path) -> RunError:
    r"""What a student can do about a file that cannot be written."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = "free some space there"
    else:
        advice = "choose a folder that you may write to, with --out"
    return RunError(f"{path} cannot be written ({reason}); {advice}, then start the command again")


def sync_folder(folder: Path) -> None:
    r"""Make the names in a folder survive a power cut, where the system offers that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_file(path: Path, content: bytes) -> None:
    r"""Write a file so that a reader meets the old content or the new, never a part.

    Raises :class:`RunError` where that cannot be done; the old file is then still there.
    """
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(unfinished, content)
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        unfinished.unlink(missing_ok=True) if path.parent.is_dir() else None
        raise explained(error, path) from error


def write_folder(path: Path, files: Mapping[str, Callable[[], bytes]]) -> None:
    r"""Write a folder of files, made one after the other, that appears at once when it is whole.

    A manifest with every file's size and hash goes in last. Raises :class:`RunError` where it
    cannot be done; nothing is then left behind.
    """
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        manifest = {}
        for name, make in files.items():
            content = make()
            _put(unfinished / name, content)
            manifest[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        _put(unfinished / MANIFEST, json.dumps(manifest, indent=1).encode())
        sync_folder(unfinished)
        remove_folder(path)
        unfinished.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise explained(error, path) from error


def check_folder(path: Path) -> None:
    r"""Raise :class:`DamagedFolder` unless every file is there as :func:`write_folder` left it."""
    try:
        manifest = json.loads((path / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise DamagedFolder(f"{path} is damaged: its {MANIFEST} cannot be read") from error
    for name, wanted in manifest.items():
        file = path / name
        size = file.stat().st_size if file.is_file() else 0
        if size != wanted["bytes"]:
            raise DamagedFolder(
                f"{path} is damaged: {name} has {size} bytes, {wanted['bytes']} were written"
            )
        with file.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != wanted["sha256"]:
                raise DamagedFolder(f"{path} is damaged: {name} is not as it was written")


def remove_folder(path: Path) -> None:
    r"""Remove a folder; one that is half removed bears another name, and counts for nothing."""
    if path.exists():
        leaving = path.with_name(f"{UNFINISHED}removed-{path.name}")
        shutil.rmtree(leaving, ignore_errors=True)
        path.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)


def sweep(folder: Path) -> None:
    r"""Remove what killed processes left unfinished in a folder."""
    for left in folder.glob(f"{UNFINISHED}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
