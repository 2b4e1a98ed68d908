r"""Rows of results: a JSON line each, with all that is needed to make the number again."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

import ecgan
from ecgan.errors import EcganError

BLOCK = 1 << 16  # bytes
ROWS = ":(exclude)experiments/results"
LIMITED = "limited to"
PACKAGES = ("torch", "numpy", "einops", "accelerate", "torchmetrics")


class RecordError(EcganError):
    r"""A file of rows that cannot be read or written; the message names file and line."""


@cache
def versions() -> dict[str, str]:
    r"""Versions of python, this package and what computes; what is not installed is left out."""
    found = {"python": platform.python_version(), "ecgan": ecgan.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    r"""The processor in words, and how far its instructions are used where that was limited."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return f"{name} {LIMITED} {limit}" if limit else name


@cache
def commit() -> str:
    r"""The commit of the package's code, with "+" where files differ; "unknown" outside git.

    Rows that came since are no difference.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(ecgan.__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # Inside somebody else's repository, an environment's folder for instance, none is ours.
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "--", ".", ROWS) else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def as_line(row: Mapping) -> str:
    r"""One row as strict JSON: numbers that are not finite become null."""
    return json.dumps(_finite(row), allow_nan=False) + "\n"


def _finite(value):
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def append(path: str | Path, rows: Iterable[Mapping]) -> None:
    r"""Add rows to a file, making it and its folder where needed; all of them, or none.

    A last line that a kill has cut off goes, so that the first row does not stick to it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(map(as_line, rows))
    with path.open("a+b") as file:
        size = _whole_lines(file)
        file.truncate(size)
        try:
            file.write(text.encode())
            file.flush()
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise


def _whole_lines(file: BinaryIO) -> int:
    r"""Bytes up to the end of the last line that has one; looks back no further than it must."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def read(path: str | Path) -> list[dict]:
    r"""The rows of a file; none where there is no file. A last line cut off by a kill is dropped.

    Raises :class:`RecordError` for any other line that is no JSON.
    """
    path = Path(path)
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise RecordError(
                f"{path}, line {number} is no JSON ({error}); mend or remove it"
            ) from error
    return rows
