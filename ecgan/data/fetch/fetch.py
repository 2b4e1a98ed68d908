r"""Fetch a published data set: download, unpack, count; a second call does only what is missing."""

import json
from collections.abc import Callable
from pathlib import Path

from ecgan.data.fetch.bring import bring_archive, bring_files, copy_unpacked
from ecgan.data.fetch.sources import SOURCES, Source
from ecgan.data.fetch.unpack import unpack
from ecgan.data.folders.conventions import HALF_FETCHED
from ecgan.files.download import FetchError
from ecgan.files.whole import write_file

DONE = ".fetched.json"  # which archives are unpacked, with the number of their files
LICENCE = "LICENCE.txt"


def _done(folder: Path) -> dict[str, int]:
    try:
        return json.loads((folder / DONE).read_text())
    except (OSError, ValueError):
        return {}


def _mark(folder: Path, counts: dict[str, int]) -> None:
    said = json.dumps(_done(folder) | counts, indent=2) + "\n"
    write_file(folder / DONE, said.encode())


def wrong_counts(source: Source, folder: Path) -> list[str]:
    r"""What differs from the published numbers of files, a phrase a pattern."""
    phrases = []
    for pattern, expected in source.counts.items():
        found = sum(1 for _ in folder.glob(pattern))
        if found != expected:
            phrases.append(f"{pattern}: {found} files, expected {expected}")
    return phrases


def _begin(folder: Path, name: str) -> None:
    r"""From now on, and until the end, the folder counts as half fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HALF_FETCHED).write_text(f"{name}: ecgan fetch {name} has not come to its end\n")


def _fetch_archives(
    source: Source, name: str, folder: Path, mirror: Path | None, keep: bool, say: Callable
) -> None:
    lacking = [archive for archive in source.archives if archive.name not in _done(folder)]
    if lacking and mirror is not None and not wrong_counts(source, mirror):
        _begin(folder, name)
        files = copy_unpacked(source, mirror, folder)
        _mark(folder, {archive.name: 0 for archive in lacking})
        say(f"{files} files copied from {mirror}; not verified, as no hashes were published")
        return
    for archive in lacking:
        path = bring_archive(archive, source, folder, mirror, say)
        _begin(folder, name)
        files = unpack(archive, path, folder)
        _mark(folder, {archive.name: files})
        say(f"{archive.name}: {files} files unpacked")
        if archive.urls and not keep and mirror is None:
            path.unlink()


def fetch(
    name: str,
    folder: str | Path,
    *,
    source: Source | None = None,
    mirror: str | Path | None = None,
    keep: bool = False,
    say: Callable[[str], None] = print,
) -> Path:
    r"""Bring a data set into ``folder`` in the layout that :mod:`ecgan.data.folders.dataset` reads.

    ``name`` is one of :data:`SOURCES`, unless a ``source`` is given. ``mirror`` is a folder with a
    copy, of the archives or unpacked, used instead of the network and checked by the same hashes.
    Downloaded archives are deleted once unpacked unless ``keep``; those brought by hand stay.
    Until all is there no other command takes the folder. Raises :class:`FetchError`; what was
    already brought remains, and the next call goes on from there.
    """
    if source is None and name not in SOURCES:
        raise FetchError(f"no data set {name!r}; there are {', '.join(SOURCES)}")
    source, folder = source or SOURCES[name], Path(folder)
    mirror = None if mirror is None else Path(mirror)
    if mirror is not None and not mirror.is_dir():
        raise FetchError(f"there is no folder {mirror}; name one that holds a copy, with --mirror")
    licence = f"{source.title}\n{source.licence}"
    say(licence)
    _fetch_archives(source, name, folder, mirror, keep, say)
    if source.files:
        _begin(folder, name)
        bring_files(source, folder, mirror, say)
    if wrong := wrong_counts(source, folder):
        raise FetchError(
            f"{folder} is not what was published ({'; '.join(wrong)}); delete {folder / DONE} and "
            f"run the command again to fetch it anew"
        )
    if source.finish is not None:
        source.finish(folder)
    if not (folder / LICENCE).is_file():
        (folder / LICENCE).write_text(licence + "\n", encoding="utf-8")
    (folder / HALF_FETCHED).unlink(missing_ok=True)
    preset = f" --config {source.config}" if source.config else ""
    say(f"complete: all counts are as published; next: ecgan doctor {folder}{preset}")
    return folder
