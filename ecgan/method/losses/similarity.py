r"""Similarity loss: do pixels belong together in the picture as they do in the layout? (chapter 06)

A segmenter reads class probabilities $S'$ off the first image and $S''$ off the final one. Affinity
maps say for every pair of pixels how likely they share a class: $A = S^\top S$ for the layout,
$A'' = S''^\top S''$ for the image; binary cross-entropy between them [S]. The objective adds up the
losses of both images.
"""

from typing import NamedTuple

import torch
from einops import einsum, rearrange, reduce, repeat
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ecgan.method.layouts import IGNORE
from ecgan.method.losses.finite import checks, full_precision, require_finite

MANY = 2**62  # so many numbers that their remainders are as good as evenly spread
CLAMP = 1e-6  # affinities stay in [CLAMP, 1 - CLAMP]: the dearest pair costs 13.8


class Estimate(NamedTuple):
    r"""A sampled loss and its standard error (detached), estimated from the same sample."""

    value: Float[Tensor, ""]
    standard_error: Float[Tensor, ""]


def affinity(probabilities: Float[Tensor, "b k h w"]) -> Float[Tensor, "b h*w h*w"]:
    r"""The dense map $S^\top S$: how likely two pixels share a class, in [0, 1].

    For one-hot layouts exactly 1 (same class) or 0. For small pictures: it takes (h w)^2 values,
    64 MiB at 64x64, 16 GiB at 256x256. The losses below never build it.
    """
    pixels = rearrange(probabilities, "b k h w -> b k (h w)")
    return einsum(pixels, pixels, "b k m, b k n -> b m n")


def pair_cost(affinities: Float[Tensor, "..."], same: Bool[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""Binary cross-entropy of each pair; a clamped pair gives no gradient.

    Targets are 0 or 1, so one logarithm a pair does: of the affinity, or of what it lacks to 1.
    """
    return -torch.where(same, affinities, 1 - affinities).clamp(CLAMP, 1 - CLAMP).log()


def block_cost(rows, columns, row_labels, column_labels, ignore):
    r"""Sum of the costs of all pairs of a row pixel and a column pixel that are not ignored."""
    with torch.autocast(rows.device.type, enabled=False):  # it would go back to half precision
        affinities = einsum(rows, columns, "k m, k n -> m n")
    first, second = rearrange(row_labels, "m -> m 1"), rearrange(column_labels, "n -> 1 n")
    counted = (first != ignore) & (second != ignore)
    return torch.where(counted, pair_cost(affinities, first == second), 0).sum()


def as_labels(target, classes: int, ignore: int) -> Int[Tensor, "b h w"]:
    r"""Labels of a one-hot layout (all zero: ignored); label maps pass through."""
    if not target.is_floating_point():
        return target.long()
    if target.shape[1] != classes:
        raise ValueError(
            f"similarity loss: the one-hot layout has {target.shape[1]} channels, the segmenter "
            f"{classes}. Give class channels only (don't care and instance boundaries are not "
            f"classes), or the label map, where {ignore} is ignored."
        )
    empty = reduce(target, "b k h w -> b h w", "sum") == 0
    return torch.where(empty, ignore, target.argmax(dim=1))


def pictures(
    probabilities, target, ignore: int
) -> tuple[Float[Tensor, "b k m"], Int[Tensor, "b m"], Int[Tensor, "b"]]:
    r"""Probabilities and labels, checked, by pixel; and how many of an image's are not ignored."""
    require_finite("similarity", probabilities)
    if checks():
        lowest, highest = (float(bound) for bound in torch.aminmax(probabilities.detach()))
        if lowest < 0 or highest > 1.001:  # half precision rounds up a little
            raise ValueError(
                f"similarity loss: probabilities from {lowest:.3g} to {highest:.3g}, allowed is 0 "
                "to 1. Logits? Apply softmax over the class axis (dim=1) first."
            )
    labels = as_labels(target, probabilities.shape[1], ignore)
    if labels.shape != probabilities[:, 0].shape:
        raise ValueError(
            f"similarity loss: labels of shape {tuple(labels.shape)} for probabilities of shape "
            f"{tuple(probabilities.shape)}; resize the labels (nearest) or the probabilities."
        )
    ids = rearrange(labels, "b h w -> b (h w)")
    counts = reduce(ids != ignore, "b m -> b", "sum")
    return rearrange(full_precision(probabilities), "b k h w -> b k (h w)"), ids, counts


def mean_image(values: Float[Tensor, "b"], counts: Int[Tensor, "b"]) -> Float[Tensor, ""]:
    r"""The mean over the images that have a pixel which is not ignored; 0 where none has."""
    return torch.where(counts > 0, values, 0).sum() / (counts > 0).sum().clamp(min=1)


def affinity_bce(
    probabilities: Float[Tensor, "b k h w"],
    target: Integer[Tensor, "b y x"] | Float[Tensor, "b k2 y x"],
    *,
    tile: int = 1024,
    ignore: int = IGNORE,
) -> Float[Tensor, ""]:
    r"""Exact affinity cross-entropy between an image's probabilities and its layout. [S], ch. 06.

    $$L = \frac{1}{M^2} \sum_{m,n} -A_{mn} \log A''_{mn} - (1 - A_{mn}) \log (1 - A''_{mn})$$

    over all ordered pairs of the M pixels of an image that are not ignored (a pixel with itself
    included), then the mean over images. ``target``: label map, or one-hot with all-zero pixels
    ignored. Computed in blocks of ``tile`` x ``tile`` pairs, thrown away and recomputed for the
    gradient: peak memory follows ``tile``, not M. As both maps are symmetric, blocks below the
    diagonal are counted, not computed. Zero, with gradient zero, where every pixel is ignored.
    """
    if tile < 1:
        raise ValueError(f"similarity loss: tile {tile}; at least 1 pixel.")
    pixels, labels, counts = pictures(probabilities, target, ignore)
    losses = []
    for image, ids, count in zip(pixels, labels, counts, strict=True):
        parts = list(zip(image.split(tile, dim=1), ids.split(tile), strict=True))
        total = 0
        for row, (rows, row_labels) in enumerate(parts):
            for column, (columns, column_labels) in enumerate(parts[row:], start=row):
                cost = checkpoint(
                    block_cost, rows, columns, row_labels, column_labels, ignore,
                    use_reentrant=False, preserve_rng_state=False,
                )  # fmt: skip
                total = total + (1 if row == column else 2) * cost
        losses.append(total / count.clamp(min=1) ** 2)
    return mean_image(torch.stack(losses), counts)


def affinity_bce_sampled(
    probabilities: Float[Tensor, "b k h w"],
    target: Integer[Tensor, "b y x"] | Float[Tensor, "b k2 y x"],
    *,
    pairs: int = 4096,
    ignore: int = IGNORE,
    generator: torch.Generator | None = None,
) -> Estimate:
    r"""Unbiased estimate of ``affinity_bce`` from ``pairs`` random pairs an image. [I], chapter 06.

    Both pixels of a pair are drawn uniformly, with replacement, from the pixels that are not
    ignored; so each pair's cost has the exact loss as its mean, and so have their average and its
    gradient. With $\sigma_i^2$ the variance of the cost over image i's pairs, P pairs, B images:

    $$\mathrm{Var} = \frac{1}{B^2} \sum_i \frac{\sigma_i^2}{P}$$

    The error falls as $1/\sqrt{P}$, whatever the picture's size; time and memory grow with P.
    """
    if pairs < 2:
        raise ValueError(f"similarity loss: {pairs} pairs; at least 2 (thousands are usual).")
    pixels, labels, counts = pictures(probabilities, target, ignore)
    device = pixels.device if generator is None else generator.device
    drawn = torch.randint(MANY, (len(pixels), 2 * pairs), generator=generator, device=device)
    # The j-th of an image's pixels that count: where so many have been passed.
    numbers = drawn.to(pixels.device) % rearrange(counts, "b -> b 1").clamp(min=1)
    passed = (labels != ignore).cumsum(dim=1)
    places = torch.searchsorted(passed, numbers, right=True).clamp(max=labels.shape[1] - 1)
    ends = pixels.gather(2, repeat(places, "b n -> b k n", k=pixels.shape[1]))
    (first, second), names = ends.chunk(2, dim=2), labels.gather(1, places).chunk(2, dim=1)
    costs = pair_cost(reduce(first * second, "b k n -> b n", "sum"), names[0] == names[1])
    variances = costs.detach().var(dim=1) / pairs
    images = (counts > 0).sum().clamp(min=1)
    error = torch.sqrt(mean_image(variances, counts) / images)
    return Estimate(mean_image(reduce(costs, "b n -> b", "mean"), counts), error)
