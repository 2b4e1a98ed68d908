r"""Weights that others published: fetched once, used only if their hash is the published one."""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import pooch
import torch
from torch import Tensor

from ecgan.errors import EcganError


class WeightsUnavailable(EcganError):
    r"""Published weights that cannot be had, or are not the published ones."""


def sha256(path: Path) -> str:
    r"""The hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, kw_only=True)
class Published:
    r"""A published file: ``urls`` hold the same, its SHA-256 starts with ``sha256_prefix``.

    ``variable`` is the environment variable that may name a file instead; ``purpose`` and
    ``way_out`` are the start and the end of the message where it cannot be had.
    """

    purpose: str
    urls: tuple[str, ...]
    sha256_prefix: str
    variable: str
    way_out: str

    def refuse(self, reason: str) -> WeightsUnavailable:
        r"""The error that says why, and every way out."""
        return WeightsUnavailable(
            f"{self.purpose}: {reason}. Either download {self.urls[0]} on a machine that can, and "
            f"set {self.variable}=/path/to/the/file; {self.way_out}"
        )

    def fetch(self, *, folder: str | Path | None = None) -> Path:
        r"""The path of the file: the one ``variable`` names, else the cache, else a download.

        A download arrives under another name, is checked, and only then takes its place in
        ``folder`` (default: pooch's cache folder for ecgan). Raises :class:`WeightsUnavailable`.
        """
        if given := os.environ.get(self.variable):
            return self._given(Path(given))
        folder = Path(folder or pooch.os_cache("ecgan"))
        path = folder / self.urls[0].rsplit("/", 1)[-1]
        if path.is_file() and sha256(path).startswith(self.sha256_prefix):
            return path
        refusal = None
        for url in self.urls:
            try:
                return self._download(url, path)
            except WeightsUnavailable as error:
                refusal = refusal or error
        raise refusal

    def _given(self, path: Path) -> Path:
        if not path.is_file():
            raise self.refuse(f"{self.variable} is set to {path}, where there is no file")
        if not (found := sha256(path)).startswith(self.sha256_prefix):
            raise self.refuse(
                f"{path} (from {self.variable}) has SHA-256 {found[:16]}..., expected "
                f"{self.sha256_prefix}...; it is damaged or another file"
            )
        return path

    def _download(self, url: str, path: Path) -> Path:
        arrived = path.with_name(path.name + ".unchecked")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            arrived.unlink(missing_ok=True)
            arrived.touch()
            arrived.unlink()
        except OSError as error:
            raise self.refuse(
                f"the cache folder {path.parent} cannot be written ({error.strerror}); name "
                f"another with the environment variable XDG_CACHE_HOME"
            ) from error
        logger, level = pooch.get_logger(), pooch.get_logger().level
        logger.setLevel(logging.WARNING)  # it would advise to pin the hash of whatever came
        try:
            pooch.retrieve(url, known_hash=None, fname=arrived.name, path=path.parent)
        except OSError as error:
            reason = f"{url} cannot be downloaded ({type(error).__name__})"
            raise self.refuse(reason) from error
        finally:
            logger.setLevel(level)
        if not (found := sha256(arrived)).startswith(self.sha256_prefix):
            arrived.unlink()
            raise self.refuse(
                f"what came from {url} has SHA-256 {found[:16]}..., expected "
                f"{self.sha256_prefix}...; it was deleted"
            )
        return arrived.replace(path)

    def state_dict(self, path: str | Path) -> dict[str, Tensor]:
        r"""The file's tensors by name, read without running any code in it."""
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            raise self.refuse(
                f"{path} is no plain state dict (it may hold code, not only tensors)"
            ) from error
