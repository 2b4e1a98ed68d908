r"""The toy world: street scenes with exact labels and instances, drawn while you wait.

Small enough to train on with two CPU cores, and made to need what ECGAN adds: regions hold
structure that the layout does not state (courses of brick, windows, lanes), and two classes are
tiny. What the layout cannot say at all is the light and the colours of buildings and cars. [I],
chapter 01.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from ecgan.data.toy import paints as paint
from ecgan.data.toy.paints import CLASSES
from ecgan.data.toy.scene import Dice, Scene
from ecgan.errors import EcganError
from ecgan.files.pictures import as_png
from ecgan.files.whole import write_file

KINDS = ("images", "labels", "instances")
TINY = ("lamp", "person")

# Any two classes stay apart for every kind of colour vision (a test holds them to it).
PALETTE = np.array(
    [
        (126, 202, 232),  # sky
        (72, 72, 90),  # road
        (236, 152, 90),  # building
        (222, 228, 212),  # pavement
        (46, 133, 98),  # tree
        (91, 26, 22),  # roof
        (51, 74, 233),  # car
        (252, 212, 0),  # lamp
        (172, 25, 162),  # person
    ],
    dtype=np.uint8,
)


class Scenes(NamedTuple):
    r"""Labels "b h w", images "b 3 h w" in [-1, 1], instances "b h w" (0 where there are none)."""

    labels: Int[Tensor, "b h w"]
    images: Float[Tensor, "b 3 h w"]
    instances: Int[Tensor, "b h w"]


class ToyError(EcganError):
    r"""A toy world that cannot be drawn as asked; the message says what to do."""


def _check(count: int, height: int, width: int, seed: int, start: int) -> None:
    for name, value in (("height", height), ("width", width)):
        if value < 32 or value % 2:
            raise ToyError(
                f"{name} is {value}; a toy scene needs an even number of at least 32. "
                f"Try {name}={max(32, value + value % 2)}."
            )
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("start", start, 0)):
        if value < least:
            raise ToyError(f"{name} is {value}; it must be at least {least}. Try {name}={least}.")


def scenes(
    count: int, *, height: int = 64, width: int = 64, seed: int = 0, start: int = 0
) -> Scenes:
    r"""Draws scenes `start` to `start + count - 1` of a seed.

    A scene depends on nothing but (seed, its number, height, width), on any machine.

    Args:
        count: how many, at least 1.
        height, width: pixels, even, at least 32; details grow with them.
        seed: which endless row of scenes, at least 0.
        start: the number of the first one, at least 0.

    Raises:
        ToyError: an argument is out of range.
    """
    _check(count, height, width, seed, start)
    labels = np.empty((count, height, width), dtype=np.int64)
    instances = np.empty((count, height, width), dtype=np.int64)
    images = np.empty((count, height, width, 3), dtype=np.float32)
    for i in range(count):
        scene = Scene(height=height, width=width, dice=Dice(seed=seed, index=start + i))
        labels[i] = paint.LABELS[scene.paints]
        instances[i] = scene.instances
        colours = scene.colours.astype(np.float32) / np.float32(127.5) - np.float32(1)
        images[i] = colours[scene.paints]
    channels_first = rearrange(torch.from_numpy(images), "b h w c -> b c h w").contiguous()
    return Scenes(torch.from_numpy(labels), channels_first, torch.from_numpy(instances))


def write_folder(
    path: str | Path, count: int, *, height: int = 64, width: int = 64, seed: int = 0
) -> Path:
    r"""Writes scenes as an ordinary data set: a folder of images, labels and instances.

    `images/00000.png` is RGB, `labels/00000.png` holds class ids, `instances/00000.png` instance
    ids (0: none), `classes.json` the names of the classes and the palette. Returns the folder.

    What the same call wrote before may be there: it is gone on with.

    Raises:
        ToyError: an argument is out of range, or the folder holds anything else; nothing in it is
            changed.
        RunError: a file cannot be written.
    """
    _check(count, height, width, seed, start=0)
    path = Path(path)
    classes = {"classes": CLASSES, "palette": PALETTE.tolist()}
    named = {"classes.json": (json.dumps(classes, indent=2) + "\n").encode()}
    there = _files_in(path)
    names = [f"{i:05d}.png" for i in range(count)]
    ours = {f"{kind}/{name}" for kind in KINDS for name in names} | named.keys()
    if strangers := sorted(there - ours):
        raise _in_the_way(
            path, f"{strangers[0]}, which is not among the {count} scenes to be drawn"
        )
    size = {"height": height, "width": width}
    for i, name in enumerate(names):  # all is compared before anything is written
        if there & {f"{kind}/{name}" for kind in KINDS}:
            _compare(path, there, _scene_files(i, name, seed=seed, **size))
    _compare(path, there, named)
    for i, name in enumerate(names):
        if not {f"{kind}/{name}" for kind in KINDS} <= there:
            for file, content in _scene_files(i, name, seed=seed, **size).items():
                write_file(path / file, content)
    for file, content in named.items():
        write_file(path / file, content)
    return path


def _files_in(path: Path) -> set[str]:
    r"""Files below a folder, hidden ones (an unfinished write's, the system's) left out."""
    files = (file.relative_to(path) for file in path.rglob("*") if not file.is_dir())
    return {file.as_posix() for file in files if not file.name.startswith(".")}


def _in_the_way(path: Path, met: str) -> ToyError:
    return ToyError(
        f"{path} already holds {met}; nothing was changed. Choose an empty folder, or delete this "
        f"one first"
    )


def _compare(path: Path, there: set[str], files: dict[str, bytes]) -> None:
    for file, content in files.items():
        if file in there and (path / file).read_bytes() != content:
            raise _in_the_way(path, f"another {file} than would be drawn")


def _scene_files(index: int, name: str, *, seed: int, height: int, width: int) -> dict[str, bytes]:
    r"""The files of one scene by their paths in the folder."""
    scene = scenes(1, height=height, width=width, seed=seed, start=index)
    pixels = (rearrange(scene.images, "1 c h w -> h w c") + 1) * 127.5
    ids = rearrange(scene.instances, "1 h w -> h w").numpy()
    arrays = (
        pixels.round().numpy().astype(np.uint8),
        rearrange(scene.labels, "1 h w -> h w").numpy().astype(np.uint8),
        ids.astype(np.min_scalar_type(ids.max())),
    )
    return {f"{kind}/{name}": as_png(array) for kind, array in zip(KINDS, arrays, strict=True)}
