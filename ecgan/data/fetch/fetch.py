r"""Fetch a published data set: download, unpack, count; a second call does only what is missing."""

import json
from collections.abc import Callable
from pathlib import Path

from ecgan.data.fetch.sources import SOURCES, Source
from ecgan.data.fetch.unpack import unpack
from ecgan.files.download import Archive, FetchError, download
from ecgan.files.whole import write_file

DONE = ".fetched.json"  # which archives are unpacked, with the number of their files


def _done(folder: Path) -> dict[str, int]:
    try:
        return json.loads((folder / DONE).read_text())
    except (OSError, ValueError):
        return {}


def _mark(folder: Path, name: str, files: int) -> None:
    said = json.dumps(_done(folder) | {name: files}, indent=2) + "\n"
    write_file(folder / DONE, said.encode())


def wrong_counts(source: Source, folder: Path) -> list[str]:
    r"""What differs from the published numbers of files, a phrase a pattern."""
    phrases = []
    for pattern, expected in source.counts.items():
        found = sum(1 for _ in folder.glob(pattern))
        if found != expected:
            phrases.append(f"{pattern}: {found} files, expected {expected}")
    return phrases


def _bring(archive: Archive, source: Source, folder: Path, say: Callable[[str], None]) -> Path:
    if archive.urls:
        return download(archive, folder, say=say)
    path = folder / archive.name
    if not path.is_file():
        raise FetchError(
            f"{archive.name} is not in {folder} and may not be fetched by a program: "
            f"{source.by_hand}; put them into {folder} and run this command again"
        )
    return path


def fetch(
    name: str,
    folder: str | Path,
    *,
    source: Source | None = None,
    keep: bool = False,
    say: Callable[[str], None] = print,
) -> Path:
    r"""Bring a data set into ``folder`` in the layout that :mod:`ecgan.data.folders.dataset` reads.

    ``name`` is one of :data:`SOURCES`, unless a ``source`` is given. Downloaded
    archives are deleted once unpacked unless ``keep``; those brought by hand stay. Raises
    :class:`FetchError`; what was already unpacked remains, and the next call goes on from there.
    """
    if source is None and name not in SOURCES:
        raise FetchError(f"no data set {name!r}; there are {', '.join(SOURCES)}")
    source, folder = source or SOURCES[name], Path(folder)
    say(f"{source.title}\n{source.licence}")
    done = _done(folder)
    for archive in source.archives:
        if archive.name in done:
            continue
        path = _bring(archive, source, folder, say)
        files = unpack(archive, path, folder)
        _mark(folder, archive.name, files)
        say(f"{archive.name}: {files} files unpacked")
        if archive.urls and not keep:
            path.unlink()
    if wrong := wrong_counts(source, folder):
        raise FetchError(
            f"{folder} is not what was published ({'; '.join(wrong)}); delete {folder / DONE} and "
            f"run the command again to fetch it anew"
        )
    if source.finish is not None:
        source.finish(folder)
    say(f"complete: all counts are as published; next: ecgan doctor {folder}")
    return folder
