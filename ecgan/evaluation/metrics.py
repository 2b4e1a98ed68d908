r"""Scores of generated images: IoU, accuracy, Frechet distance on a segmenter's features."""

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int, Integer
from torch import Tensor

from ecgan.method.layouts import IGNORE


def confusion(
    predicted: Integer[Tensor, "*n"], target: Integer[Tensor, "*n"], *, classes: int
) -> Int[Tensor, "k k"]:
    r"""Pixel counts: rows are true classes, columns predicted ones; 255 in ``target`` ignored.

    Raises ``ValueError`` for any other id outside 0 to ``classes - 1``.
    """
    counted = target != IGNORE
    target, predicted = target[counted].long(), predicted[counted].long()
    for name, ids in (("predicted", predicted), ("target", target)):
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < classes:
            raise ValueError(
                f"{name} ids run from {int(ids.min())} to {int(ids.max())}; with {classes} classes "
                f"they are 0 to {classes - 1} (and {IGNORE} in target, which is ignored)"
            )
    cells = target * classes + predicted
    return rearrange(torch.bincount(cells, minlength=classes**2), "(k l) -> k l", l=classes)


def iou(counts: Int[Tensor, "k k"]) -> Float[Tensor, "k"]:
    r"""Intersection over union of each class, 0 to 1; NaN for a class that never occurs."""
    hits = counts.diagonal().double()
    union = counts.sum(0) + counts.sum(1) - counts.diagonal()
    return hits / union


def mean_iou(counts: Int[Tensor, "k k"]) -> float:
    r"""Mean of the classes' IoU, over the classes that occur."""
    return iou(counts).nanmean().item()


def accuracy(counts: Int[Tensor, "k k"]) -> float:
    r"""Share of pixels with the right class."""
    return (counts.diagonal().sum() / counts.sum()).item()


def pooled(features: list[Tensor]) -> Float[Tensor, "b d"]:
    r"""Feature maps to one vector an image: the mean of every channel of every map."""
    return torch.cat([reduce(maps, "b c h w -> b c", "mean") for maps in features], dim=1)


def frechet_distance(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> float:
    r"""Squared Frechet distance between two Gaussians fitted to feature vectors (Heusel, 2017).

    At least ``d + 1`` vectors a side, else the covariances are singular: ``ValueError``.
    """
    dim = a.shape[1]
    if min(len(a), len(b)) <= dim:
        raise ValueError(
            f"{len(a)} and {len(b)} vectors of {dim} features: a covariance needs more vectors "
            f"than features; score more images"
        )
    a, b = a.double().cpu().numpy(), b.double().cpu().numpy()
    mean_gap = ((a.mean(0) - b.mean(0)) ** 2).sum()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # trace of (cov_a cov_b)^(1/2): the product's eigenvalues are real and not negative.
    eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real.clip(min=0)
    return float(mean_gap + np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(eigenvalues).sum())
