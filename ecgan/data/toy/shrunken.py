r"""Toy scenes whose lamps and people are made smaller, to ask which of them a network can see.

At 64 pixels a person has about 20 pixels and a lamp about 40. The question *does one of 6, 12, 24
pixels come back?* needs objects of those sizes in scenes that are otherwise ordinary [I].
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from einops import pack, rearrange
from jaxtyping import Bool

from ecgan.data.toy import CLASSES, TINY, Scenes

FACTORS = np.geomspace(0.2, 2, 25)  # of the sides; the one that comes nearest is taken


def _objects(
    labels: np.ndarray, instances: np.ndarray, classes: Sequence[int]
) -> Iterator[Bool[np.ndarray, "h w"]]:
    for index in classes:
        for number in np.unique(instances[labels == index]):
            yield (labels == index) & (instances == number)


def _places(mask: np.ndarray, factor: float) -> tuple[np.ndarray, ...]:
    r"""Rows and columns of the pixels that stay where an object's sides are scaled by a factor."""
    found = []
    for places in np.nonzero(mask):
        first, length = places.min(), places.max() + 1 - places.min()
        wanted = max(1, round(length * factor))
        found.append(first + ((np.arange(wanted) + 0.5) * length / wanted).astype(int))
    return np.ix_(*found)


def _shrink(planes: np.ndarray, mask: np.ndarray, standing: np.ndarray, pixels: int) -> None:
    r"""Make one object of planes "h w c" smaller, in place; its foot stays where it was.

    What it hid shows what stands beside it in its row: the nearest pixel of no small object.
    """
    rows, columns = np.nonzero(mask)
    bottom, left, wide = rows.max(), columns.min(), np.ptp(columns) + 1
    tried = [_places(mask, factor) for factor in FACTORS]
    places = min(tried, key=lambda one: abs(np.log(max(mask[one].sum(), 0.1) / pixels)))
    small, inner = planes[places].copy(), mask[places]
    down, along = inner.shape
    for row, column in zip(rows, columns, strict=True):
        free = np.nonzero(~standing[row])[0]
        planes[row, column] = planes[row, free[np.abs(free - column).argmin()]]
    first = np.clip(left + (wide - along) // 2, 0, mask.shape[1] - along)
    start = max(0, bottom - down + 1)
    window = planes[start : start + down, first : first + along]
    window[inner] = small[inner]


def shrunken(scenes: Scenes, *, pixels: int) -> Scenes:
    r"""The scenes with every lamp and person at about ``pixels`` pixels; pictures go along.

    An object keeps its shape as far as so few pixels allow, and its instance.
    """
    classes = [CLASSES.index(name) for name in TINY]
    labels, images, instances = (part.numpy().copy() for part in scenes)
    for index in range(len(labels)):
        colours = rearrange(images[index], "c h w -> h w c")
        planes, _ = pack([labels[index], instances[index], colours], "h w *")
        standing = np.isin(labels[index], classes)
        for mask in list(_objects(labels[index], instances[index], classes)):
            _shrink(planes, mask, standing, pixels)
        labels[index], instances[index] = planes[..., 0], planes[..., 1]
        images[index] = rearrange(planes[..., 2:], "h w c -> c h w")
    return Scenes(*map(torch.from_numpy, (labels, images, instances)))
