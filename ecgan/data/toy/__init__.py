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
from PIL import Image
from torch import Tensor

from ecgan.config import ConfigError
from ecgan.data.toy import paints as paint
from ecgan.data.toy.paints import CLASSES
from ecgan.data.toy.scene import Dice, Scene

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


def _check(count: int, height: int, width: int, seed: int, start: int) -> None:
    for name, value in (("height", height), ("width", width)):
        if value < 32 or value % 2:
            raise ConfigError(
                f"{name} is {value}; a toy scene needs an even number of at least 32. "
                f"Try {name}={max(32, value + value % 2)}."
            )
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("start", start, 0)):
        if value < least:
            raise ConfigError(
                f"{name} is {value}; it must be at least {least}. Try {name}={least}."
            )


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
        ValueError: an argument is out of range.
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

    Raises:
        ValueError: an argument is out of range, or the folder holds scenes that would be mixed in.
    """
    _check(count, height, width, seed, start=0)
    path = Path(path)
    names = [f"{i:05d}.png" for i in range(count)]
    strangers = sorted({file.name for file in path.glob("*/*.png")} - set(names))
    if strangers:
        raise ConfigError(
            f"{path} already holds {strangers[0]}, which is not among the {count} scenes to be "
            "written. Choose an empty folder, or delete this one first."
        )
    for i, name in enumerate(names):
        labels, images, instances = scenes(1, height=height, width=width, seed=seed, start=i)
        pixels = (rearrange(images, "1 c h w -> h w c") + 1) * 127.5
        ids = rearrange(instances, "1 h w -> h w").numpy()
        for folder, array in (
            ("images", pixels.round().numpy().astype(np.uint8)),
            ("labels", rearrange(labels, "1 h w -> h w").numpy().astype(np.uint8)),
            ("instances", ids.astype(np.min_scalar_type(ids.max()))),
        ):
            (path / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path / folder / name)
    classes = {"classes": CLASSES, "palette": PALETTE.tolist()}
    (path / "classes.json").write_text(json.dumps(classes, indent=2) + "\n")
    return path
