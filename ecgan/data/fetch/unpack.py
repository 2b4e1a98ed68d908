r"""Zip files unpacked with care: nothing outside the folder, no half-written file by its name."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ecgan.files.download import Archive, FetchError
from ecgan.files.progress import quiet

GIB = 2**30


def _target(archive: Archive, name: str) -> PurePosixPath | None:
    for beginning, instead in archive.places:
        if name.startswith(beginning):
            return PurePosixPath(instead + name[len(beginning) :])
    return None


def _refuse_unsafe(archive: Archive, member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    kind = stat.S_IFMT(member.external_attr >> 16)
    outside = name.is_absolute() or ".." in name.parts or ":" in name.as_posix()
    if outside or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "leads out of the folder" if outside else "is a link or a device"
        raise FetchError(
            f"{archive.name} holds {member.filename!r}, which {what}; nothing was unpacked: "
            f"do not trust this file"
        )


def unpack(archive: Archive, path: Path, folder: Path) -> int:
    r"""Unpack into ``folder`` as the archive's places say; the number of files written.

    Each file takes its name only when it is whole. Raises :class:`FetchError`, before anything is
    written, for a member that would land elsewhere and for a disk too small; and for damage.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            for member in members:
                _refuse_unsafe(archive, member)
            wanted = {
                member: target
                for member in members
                if (target := _target(archive, member.filename)) is not None
            }
            _refuse_small_disk(archive, sum(member.file_size for member in wanted), folder)
            for member, target in tqdm(wanted.items(), archive.name, disable=quiet()):
                _write(packed, member, folder / target)
            return len(wanted)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FetchError(
            f"{path} is damaged ({error}); delete it and run the command again"
        ) from error


def _refuse_small_disk(archive: Archive, needed: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"{archive.name} needs {needed / GIB:.1f} GiB in {folder}, where {free / GIB:.1f} are "
            f"free; make room or choose another folder"
        )


def _write(packed: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.part")
    try:
        with packed.open(member) as source, unfinished.open("wb") as file:
            shutil.copyfileobj(source, file)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
