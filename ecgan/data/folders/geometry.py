r"""How a scene is fitted to a model: resize, crop, flip, the same for picture, labels and edges.

A picture larger than the model is not fitted but cut: see :class:`Window`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Integer, Shaped
from torch import Tensor

from ecgan.config import Config, Number


@dataclass(frozen=True, kw_only=True)
class Geometry:
    r"""Resize to ``resized`` (h, w), cut ``size`` (h, w) out at ``corner`` (row, column), flip."""

    resized: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    flip: bool = False

    def _cut(self, planes):
        (top, left), (height, width) = self.corner, self.size
        return planes[..., top : top + height, left : left + width]

    def of_labels(self, labels: Integer[np.ndarray, "h w"]) -> Integer[np.ndarray, "h2 w2"]:
        r"""Nearest neighbour: no id is made that was not there."""
        # The source pixel under each target's centre, in whole numbers.
        rows, columns = (
            (2 * np.arange(new) + 1) * old // (2 * new)
            for new, old in zip(self.resized, labels.shape, strict=True)
        )
        (top, left), (height, width) = self.corner, self.size
        cut = labels[rows[top : top + height]][:, columns[left : left + width]]
        return np.ascontiguousarray(cut[:, ::-1] if self.flip else cut)

    def of_picture(self, picture: Float[Tensor, "c h w"]) -> Float[Tensor, "c h2 w2"]:
        r"""Bicubic with antialiasing; values stay in [-1, 1]."""
        batch = rearrange(picture, "c h w -> 1 c h w")
        if batch.shape[-2:] != self.resized:
            batch = F.interpolate(batch, size=self.resized, mode="bicubic", antialias=True)
        cut = self._cut(rearrange(batch, "1 c h w -> c h w")).clamp(-1, 1)
        return cut.flip(-1) if self.flip else cut.contiguous()


def draw(config: Config, random: np.random.Generator | None) -> Geometry:
    r"""A random crop and flip for training [R], or (None) the whole picture, straight.

    Where ``load_size`` is set, the picture is first resized to the model's proportions with
    ``load_size`` as its shorter side; otherwise straight to the model's size.
    """
    size = (config.model.height, config.model.width)
    if random is None:
        return Geometry(resized=size, corner=(0, 0), size=size)
    load_size, shorter = config.data.load_size or min(size), min(size)
    resized = tuple(round(side * load_size / shorter) for side in size)
    corner = tuple(int(random.integers(0, large - cut + 1)) for large, cut in zip(resized, size))
    flip = bool(config.data.flip and random.random() < 0.5)
    return Geometry(resized=resized, corner=corner, size=size, flip=flip)


class Window(NamedTuple):
    r"""A rectangle of a picture, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, planes: Shaped[np.ndarray, "y x *c"]) -> Shaped[np.ndarray, "h w *c"]:
        r"""The rectangle's pixels, copied."""
        rows = slice(self.top, self.top + self.height)
        return np.array(planes[rows, self.left : self.left + self.width])

    def geometry(self, config: Config, *, flip: bool = False) -> Geometry:
        r"""How the rectangle, cut out, becomes the model's picture."""
        size = (config.model.height, config.model.width)
        return Geometry(resized=size, corner=(0, 0), size=size, flip=flip)


def _window_size(config: Config, scale: Number) -> tuple[int, int]:
    return round(config.model.height / scale), round(config.model.width / scale)


def too_small(size: tuple[int, int], config: Config) -> str | None:
    r"""Why no crop fits into a picture of ``size`` (h, w), in words; None where one does."""
    if config.data.scale is None:
        return None
    scale = config.data.scale[1]
    need = _window_size(config, scale)
    if all(have >= wanted for have, wanted in zip(size, need, strict=True)):
        return None
    enough = max(side / have for side, have in zip((config.model.height, config.model.width), size))
    return (
        f"{size[1]} x {size[0]} pixels (width x height), too small for a crop at scale {scale:g}, "
        f"{need[1]} x {need[0]}; leave the picture out, or let data.scale end at {enough:.3g} or "
        f"more"
    )


def side_by_side(size: tuple[int, int], config: Config) -> list[Window]:
    r"""The crops of a picture that do not overlap, at the largest scale, row by row."""
    height, width = _window_size(config, config.data.scale[1])
    return [
        Window(row * height, column * width, height, width)
        for row in range(size[0] // height)
        for column in range(size[1] // width)
    ]


def draw_window(size: tuple[int, int], config: Config, random: np.random.Generator) -> Window:
    r"""A random crop of a picture: its scale log-uniform, as far as the picture allows, its place.

    What half the scale shows is as likely as what twice the scale shows.
    """
    low, high = config.data.scale
    sides = (config.model.height, config.model.width)
    low = min(high, max(low, *(side / have for side, have in zip(sides, size, strict=True))))
    scale = float(np.exp(random.uniform(np.log(low), np.log(high))))
    cut = [min(have, side) for have, side in zip(size, _window_size(config, scale), strict=True)]
    corner = [int(random.integers(0, have - side + 1)) for have, side in zip(size, cut)]
    return Window(*corner, *cut)
