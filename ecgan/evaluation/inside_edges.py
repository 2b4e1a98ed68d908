r"""Edges inside regions, compared as distributions (chapter 10).

Which windows a house has, its layout does not say. A good picture may have them elsewhere than the
real one, so that counting the edge pixels that both share would blame it for what it cannot know.
Here the edges of many made pictures are compared with those of many real ones: how dense they are
in each class, and, by a reader's features of the edge maps, what they look like [I].
"""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce, repeat
from jaxtyping import Bool, Float, Int
from scipy.stats import wasserstein_distance
from torch import Tensor

from ecgan.evaluation.metrics import Extractor
from ecgan.evaluation.protocols import EvaluationError

MARGIN = 2  # pixels between an edge that counts and the next region
LEAST = 16  # pixels of a class in a picture, for its density to mean something
AT_ONCE = 64  # pictures


def inside(labels: Int[Tensor, "b h w"], *, margin: int = MARGIN) -> Bool[Tensor, "b h w"]:
    r"""True where every pixel at most ``margin`` rows and columns away has the same class."""
    planes = rearrange(labels.float(), "b h w -> b 1 h w")
    window = {"kernel_size": 2 * margin + 1, "stride": 1, "padding": margin}
    highest, lowest = F.max_pool2d(planes, **window), -F.max_pool2d(-planes, **window)
    return rearrange(highest == lowest, "b 1 h w -> b h w")


def inner_edges(
    edges: Bool[Tensor, "b h w"], labels: Int[Tensor, "b h w"]
) -> Bool[Tensor, "b h w"]:
    r"""Canny's edges of whole pictures, those that the layout's boundaries explain left out."""
    return edges & inside(labels)


def densities(
    edges: Bool[Tensor, "b h w"], labels: Int[Tensor, "b h w"], *, classes: int
) -> Float[Tensor, "b k"]:
    r"""Share of each class's inner pixels that are edges, 0 to 1, in each picture.

    NaN where a picture has fewer than :data:`LEAST` inner pixels of a class.
    """
    ids = rearrange(torch.arange(classes, device=labels.device), "k -> 1 k 1 1")
    here = (rearrange(labels, "b h w -> b 1 h w") == ids).float()
    here = einsum(here, inside(labels).float(), "b k h w, b h w -> b k h w")
    pixels = reduce(here, "b k h w -> b k", "sum")
    found = einsum(here, edges.float(), "b k h w, b h w -> b k") / pixels.clamp(min=1)
    return torch.where(pixels < LEAST, torch.nan, found)


def density_gap(made: Float[Tensor, "b k"], real: Float[Tensor, "m k"]) -> float:
    r"""How far the densities of made pictures lie from real ones': mean of the classes' distances.

    Of each class the distance (Wasserstein's) between the two distributions over pictures: 0 where
    they agree, 0.1 where every made picture has a tenth more of its pixels on edges. Raises
    :class:`EvaluationError` where no class has inner pixels on both sides.
    """
    found = []
    for one, other in zip(made.unbind(1), real.unbind(1), strict=True):
        there = [part[~part.isnan()].tolist() for part in (one, other)]
        if all(there):
            found.append(wasserstein_distance(*there))
    if not found:
        raise EvaluationError(
            f"no class has {LEAST} pixels further than {MARGIN} pixels from another class in made "
            f"and in real pictures: regions are too small to look inside; score larger pictures"
        )
    return float(sum(found) / len(found))


def edge_features(edges: Bool[Tensor, "b h w"], extractor: Extractor) -> Float[Tensor, "b d"]:
    r"""What an extractor of pictures says of edge maps, shown as white lines on black."""
    parts = [
        extractor(repeat(2 * some.float() - 1, "b h w -> b c h w", c=3))
        for some in edges.split(AT_ONCE)
    ]
    return torch.cat(parts)
