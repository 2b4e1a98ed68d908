r"""Do small objects come back? Recall by size in pixels (chapter 10).

The mean over a class's pixels hides its smallest members, which the paper's second claim is about.
Here every object counts once, among those of its size [I].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from einops import rearrange
from jaxtyping import Int
from skimage.measure import label
from torch import Tensor

SIZES = (6, 12, 24)  # pixels; an object counts for the nearest, within a factor of root 2
ENOUGH = 0.5  # share of an object's pixels that must be read as its class


@dataclass(frozen=True, kw_only=True)
class Recall:
    r"""How many objects of a size there are, and how many of them come back."""

    there: int = 0
    back: int = 0

    @property
    def share(self) -> float:
        r"""0 to 1; NaN where there is none."""
        return self.back / self.there if self.there else float("nan")

    def __add__(self, other: "Recall") -> "Recall":
        return Recall(there=self.there + other.there, back=self.back + other.back)


def size_of(pixels: int) -> int | None:
    r"""The one of :data:`SIZES` that an object of so many pixels counts for; None for none."""
    nearest = min(SIZES, key=lambda size: abs(np.log2(pixels / size)))
    return nearest if 0.5 < (pixels / nearest) ** 2 < 2 else None


def recalls(
    read: Int[Tensor, "b h w"],
    labels: Int[Tensor, "b h w"],
    instances: Int[Tensor, "b h w"],
    *,
    classes: Sequence[int],
) -> dict[int, Recall]:
    r"""For each of :data:`SIZES`, the objects of ``classes`` and those that come back.

    An object is a connected piece (sides, not corners) of one class and instance. It comes back
    where at least half of its pixels are ``read`` as its class.
    """
    found = dict.fromkeys(SIZES, Recall())
    for seen, wanted, ids in zip(read.numpy(), labels.numpy(), instances.numpy(), strict=True):
        pieces = label(wanted * (ids.max() + 1) + ids, background=-1, connectivity=1)
        pieces, right, wanted = (
            rearrange(part, "h w -> (h w)") for part in (pieces, seen == wanted, wanted)
        )
        _, firsts, pixels = np.unique(pieces, return_index=True, return_counts=True)
        shares = np.bincount(pieces, right)[pieces[firsts]] / pixels
        for first, count, share in zip(firsts, pixels, shares, strict=True):
            size = size_of(int(count))
            if size is not None and wanted[first] in classes:
                found[size] += Recall(there=1, back=int(share >= ENOUGH))
    return found
