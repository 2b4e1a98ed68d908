r"""How the files of a data set come into a folder: from the network, a mirror, or by hand."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ecgan.data.fetch.sources import Source
from ecgan.files.download import Archive, FetchError, download
from ecgan.files.progress import quiet
from ecgan.files.published import sha256

PUBLISHED = "published"
Say = Callable[[str], None]


def _refuse(archive: Archive, path: Path) -> None:
    if archive.sha256 and (found := sha256(path)) != archive.sha256:
        raise FetchError(
            f"{path} has SHA-256 {found[:16]}..., published is {archive.sha256[:16]}...; it is "
            f"damaged or another file: leave out --mirror, or name another copy"
        )


def bring_archive(
    archive: Archive, source: Source, folder: Path, mirror: Path | None, say: Say
) -> Path:
    r"""The path of an archive: in the mirror, downloaded, or brought by hand into ``folder``."""
    if mirror is not None:
        path = mirror / archive.name
        if not path.is_file():
            raise FetchError(
                f"{mirror} holds neither {archive.name} nor the unpacked data set; leave out "
                f"--mirror, or name a folder that does"
            )
        _refuse(archive, path)
        return path
    if archive.urls:
        return download(archive, folder, say=say)
    path = folder / archive.name
    if not path.is_file():
        raise FetchError(
            f"{archive.name} is not in {folder} and may not be fetched by a program: "
            f"{source.by_hand}; put them into {folder} and run this command again"
        )
    return path


def copy_unpacked(source: Source, mirror: Path, folder: Path) -> int:
    r"""Copy the files of a data set that lies unpacked in ``mirror``; how many there are."""
    paths = [path for pattern in source.counts for path in sorted(mirror.glob(pattern))]
    for path in tqdm(paths, "copying", disable=quiet()):
        target = folder / path.relative_to(mirror)
        if not target.is_file():
            _copy(path, target)
    return len(paths)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, unfinished)
    unfinished.replace(target)


def bring_files(source: Source, folder: Path, mirror: Path | None, say: Say) -> None:
    r"""Bring the single files of a data set into published/, each checked by its hash.

    A file that is there and right stays. Raises :class:`FetchError`; the next call goes on.
    """
    top = folder / PUBLISHED
    lacking = [
        file
        for file in source.files
        if not (top / file.name).is_file() or sha256(top / file.name) != file.sha256
    ]
    for file in tqdm(lacking, "fetching", unit="file", disable=quiet()):
        target = top / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if mirror is None:
            download(replace(file, name=target.name), target.parent, say=lambda _: None)
            continue
        places = [mirror / file.name, mirror / PUBLISHED / file.name]
        path = next((path for path in places if path.is_file()), None)
        if path is None:
            raise FetchError(
                f"{mirror} lacks {file.name}; leave out --mirror to fetch the rest, or name a "
                f"folder that holds all {len(source.files)} files"
            )
        _refuse(file, path)
        _copy(path, target)
    if source.files:
        say(f"{len(source.files)} files, hashes verified ({len(lacking)} of them fetched now)")
