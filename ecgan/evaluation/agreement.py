r"""Do pixels of one class look alike across pictures? (chapter 10)

What pixel-wise contrastive learning is for: same-class pixels of different layouts should make
similar content [A]. Measured on what a judge sees in the pictures, not on the embeddings that the
loss itself pulls together [I].
"""

import torch
import torch.nn.functional as F
from einops import einsum, pack, rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor, nn

LEAST = 8  # pixels of a class in a picture
AT_ONCE = 32  # pictures


@torch.no_grad()
def class_means(
    images: Float[Tensor, "b 3 h w"],
    labels: Int[Tensor, "b h w"],
    judge: nn.Module,
    *,
    classes: int,
) -> Float[Tensor, "b k d"]:
    r"""Mean of the judge's features over each class's pixels in each picture.

    NaN where a picture has fewer than :data:`LEAST` pixels of a class.
    """
    ids, found = rearrange(torch.arange(classes), "k -> 1 k 1 1"), []
    for some, known in zip(images.split(AT_ONCE), labels.split(AT_ONCE), strict=True):
        size = some.shape[-2:]
        maps = [F.interpolate(one, size, mode="nearest") for one in judge.features(some)]
        here = (rearrange(known, "b h w -> b 1 h w") == ids).float()
        pixels = reduce(here, "b k h w -> b k 1", "sum")
        sums = einsum(pack(maps, "b * h w")[0], here, "b d h w, b k h w -> b k d")
        found.append(torch.where(pixels < LEAST, torch.nan, sums / pixels.clamp(min=1)))
    return torch.cat(found)


def agreement(made: Float[Tensor, "b k d"], real: Float[Tensor, "m k d"]) -> float:
    r"""Cosine of same-class features in different pictures, less that of other classes', -2 to 2.

    Both are means over classes and over all pairs of different pictures. The features of
    :func:`class_means` are first centred and scaled, channel by channel, as those of ``real``
    pictures are, so that no channel speaks for all. 0: a class says nothing of what its pixels look
    like. More is not better without end: real pictures set the scale.
    """
    known = rearrange(real.double(), "m k d -> (m k) d")
    known = known[~known.isnan().any(1)]
    scaled = (made.double() - known.mean(0)) / known.std(0).clamp(min=1e-6)
    there = (~scaled.isnan().any(2)).double()
    units = F.normalize(scaled.nan_to_num(), dim=2)
    units = einsum(units, there, "b k d, b k -> b k d")
    # Over all pairs of pictures, less those of a picture with itself.
    sums, pairs = reduce(units, "b k d -> k d", "sum"), einsum(there, there, "b k, b l -> k l")
    alike = einsum(sums, sums, "k d, l d -> k l") - einsum(units, units, "b k d, b l d -> k l")
    counts = reduce(there, "b k -> k", "sum")
    different = einsum(counts, counts, "k, l -> k l") - pairs
    cosines = torch.where(different > 0, alike / different.clamp(min=1), torch.nan)
    same = torch.eye(len(counts), dtype=torch.bool)
    return (cosines[same].nanmean() - cosines[~same].nanmean()).item()
