r"""One archive from the network: resumed where it broke off, from mirrors, checked by hash."""

import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import pooch
from tqdm import tqdm

from ecgan.errors import EcganError
from ecgan.files.progress import quiet

CHUNK = 1 << 20  # bytes
TIMEOUT = 60  # seconds of silence
NETWORK = (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError)
ATTEMPTS = 3  # a mirror, as long as each brings something new


class FetchError(EcganError):
    r"""A data set that could not be fetched; the message says what is left and what to do."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    r"""A zip file: where it lies, its hash (None: nobody published one), what goes where.

    ``places`` maps beginnings of names in the archive to what stands there instead in the folder;
    the first that fits holds, and what fits none is left out. Without ``urls`` the file must be
    brought by hand.
    """

    name: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    places: tuple[tuple[str, str], ...] = (("", ""),)


class _Resumed:
    r"""A downloader for pooch that keeps what it got in NAME.part and goes on from there."""

    def __init__(self, part: Path):
        self.part = part

    def __call__(self, url: str, output_file: str, pooch) -> None:
        begun = self.part.stat().st_size if self.part.exists() else 0
        request = urllib.request.Request(url, headers={"User-Agent": "ecgan"})
        if begun:
            request.add_header("Range", f"bytes={begun}-")
        try:
            answer = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # the part is not the beginning of what lies there now
                raise
            self.part.unlink()
            request.remove_header("Range")
            begun, answer = 0, urllib.request.urlopen(request, timeout=TIMEOUT)
        with answer:
            if answer.status != 206:  # a server that cannot resume sends all of it
                begun = 0
            length = answer.headers.get("Content-Length")
            whole = None if length is None else begun + int(length)
            self._write(answer, begun, whole)
        size = self.part.stat().st_size
        if whole is not None and size != whole:
            raise FetchError(f"cut off after {size} of {whole} bytes")
        os.replace(self.part, output_file)

    def _write(self, answer, begun: int, whole: int | None) -> None:
        bar = tqdm(
            desc=self.part.stem, initial=begun, total=whole, unit="B", unit_scale=True,
            disable=quiet(),
        )  # fmt: skip
        with bar, self.part.open("ab" if begun else "wb") as file:
            while piece := answer.read(CHUNK):
                file.write(piece)
                bar.update(len(piece))


def _attempt(archive: Archive, url: str, folder: Path) -> Path:
    logger, level = pooch.get_logger(), pooch.get_logger().level
    logger.setLevel(logging.WARNING)  # it would advise to pin the hash of whatever came
    try:
        return Path(
            pooch.retrieve(
                url,
                known_hash=archive.sha256 and f"sha256:{archive.sha256}",
                fname=archive.name,
                path=folder,
                downloader=_Resumed(folder / f"{archive.name}.part"),
            )
        )
    except ValueError as error:
        if isinstance(error, FetchError):
            raise
        # pooch has thrown the file away: a resumed download could only repeat the damage.
        raise FetchError(f"wrong hash, the file was deleted ({error})") from error
    finally:
        logger.setLevel(level)


def download(archive: Archive, folder: Path, *, say: Callable[[str], None] = print) -> Path:
    r"""The archive in ``folder``, downloaded unless it is there.

    Mirrors are tried in turn. A download that breaks off is resumed, now and by the next call; one
    whose hash is wrong is deleted. Raises :class:`FetchError` where no mirror could help.
    """
    part, failures = folder / f"{archive.name}.part", []
    for url in archive.urls:
        for _ in range(ATTEMPTS):
            before = part.stat().st_size if part.exists() else 0
            try:
                path = _attempt(archive, url, folder)
            except (FetchError, *NETWORK) as error:
                failures.append(f"{url}: {error}")
                after = part.stat().st_size if part.exists() else 0
                if after <= before:
                    break
            else:
                _tell_hash(archive, path, say)
                return path
    said = "; ".join(dict.fromkeys(failures))
    left = f"; {part} is kept, run the command again to go on" if part.exists() else ""
    raise FetchError(
        f"{archive.name} could not be fetched: {said}{left}; or bring the file by hand, put it "
        f"into {folder} as {archive.name}, and run the command again"
    )


def _tell_hash(archive: Archive, path: Path, say: Callable[[str], None]) -> None:
    if archive.sha256:
        say(f"{archive.name}: hash verified")
    else:
        found = pooch.file_hash(str(path), alg="sha256")
        say(f"{archive.name}: not verified, as no hash of it was published; SHA-256 {found}")
