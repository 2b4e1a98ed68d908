r"""One run a folder: the second is told who is there; a dead one's lock holds nobody up (09)."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ecgan.files.whole import RunError, explained
from ecgan.training.machine import Machine

LOCK = "run.lock"
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
BEHIND = 2**30  # the locked byte, far behind the text, which others may then read
_held: set[Path] = set()  # by this process itself, which its own system lock would let pass


def _lock(file: BinaryIO) -> None:
    r"""Lock for as long as this process lives; its children do not hold it with it."""
    file.seek(BEHIND)
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    file.seek(0)


def _holder(path: Path) -> str:
    try:
        said = json.loads(path.read_text())
        return f"process {said['process']} on {said['host']} trains there since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process trains there"


def _taken(path: Path, who: str) -> RunError:
    return RunError(
        f"{path.parent} is in use: {who}. Wait for its end or stop it, or choose another folder "
        f"with --out"
    )


def _take(path: Path) -> BinaryIO:
    if path in _held:
        raise _taken(path, f"this very process, {os.getpid()}, trains there already")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("r+b" if path.exists() else "w+b")
    except OSError as error:
        raise explained(error, path) from error
    try:
        _lock(file)
    except OSError as error:
        if error.errno in TAKEN:
            file.close()
            raise _taken(path, _holder(path)) from error
        # A disk that knows no locks: better a run without one than none.
    about = {"process": os.getpid(), "host": socket.gethostname()}
    about |= {"since": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        file.truncate(0)
        file.seek(0)
        file.write(json.dumps(about).encode())
        file.flush()
    except OSError as error:
        file.close()
        raise explained(error, path) from error
    _held.add(path)
    return file


@contextmanager
def alone_in(folder: Path, machine: Machine) -> Iterator[None]:
    r"""Hold ``folder`` for one run, whose main process takes the lock for all of them.

    Raises :class:`RunError`, in every process, where a living run has it.
    """
    path, file, refusal = (folder / LOCK).absolute(), None, None
    if machine.is_main:
        try:
            file = _take(path)
        except RunError as error:
            refusal = str(error)
    try:
        for told in machine.gather(refusal):
            if told is not None:
                raise RunError(told)
        yield
    finally:
        if file is not None:
            _held.discard(path)
            file.close()
