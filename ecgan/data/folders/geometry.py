r"""How a scene is fitted to a model: resize, crop, flip, the same for picture, labels and edges."""

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Integer
from torch import Tensor

from ecgan.config import Config


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
