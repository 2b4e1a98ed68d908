r"""Large pictures decoded once: pixels, class ids and edges on disk, mapped into memory for crops.

A crop then reads its own rows of a file and no more, in every worker and every process, and the
system keeps as much of the files in memory as there is room for. They take five bytes a pixel.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pooch
from jaxtyping import Int32, UInt8

from ecgan.data.folders.scenes import Scene
from ecgan.files.whole import write_file

FOLDER = ".tiles"


class Tile(NamedTuple):
    r"""A scene in planes of 8 bits: red, green, blue, class id, edge (0 or 255); and instances."""

    planes: UInt8[np.ndarray, "h w 5"]
    instances: Int32[np.ndarray, "h w"] | None


def place(root: Path) -> Path:
    r"""Where the tiles of a data set lie: in it, or, where that cannot be, in the user's cache."""
    if os.access(root, os.W_OK):
        return root / FOLDER
    name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return Path(pooch.os_cache("ecgan")) / "tiles" / name


class Tiles:
    r"""The tile of each scene, made by ``make`` when it is first asked for, then kept.

    ``reading`` are the choices that a tile depends on. A file that has changed since, by its size
    or its time, is read anew.
    """

    def __init__(self, *, root: Path, reading: dict, make: Callable[[Scene], Tile]):
        self.root, self.reading, self.make = root, reading, make
        self.folder = place(root)

    def _name(self, scene: Scene) -> str:
        files = [path for path in scene[1:] if path is not None]
        states = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        names = [path.relative_to(self.root).as_posix() for path in files]
        known = json.dumps([self.reading, names, states], sort_keys=True)
        return hashlib.sha256(known.encode()).hexdigest()[:24]

    def __getitem__(self, scene: Scene) -> Tile:
        name = self._name(scene)
        path, more = self.folder / f"{name}.npy", self.folder / f"{name}.instances.npy"
        if not path.is_file():
            made = self.make(scene)
            if made.instances is not None:
                write_file(more, _as_bytes(made.instances))
            write_file(path, _as_bytes(made.planes))  # the last: where it is, both are
        maps = [np.load(one, mmap_mode="r") for one in (path, more) if one.is_file()]
        return Tile(maps[0], maps[1] if len(maps) > 1 else None)


def _as_bytes(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
