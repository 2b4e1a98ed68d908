r"""Scores of pictures: IoU and accuracy from counted pixels, distances between sets of features."""

import warnings
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from ecgan.evaluation.protocols import EvaluationError
from ecgan.method.layouts import IGNORE

SUBSETS, SUBSET_SIZE = 100, 1000  # of the kernel distance, as published
SEED = 0


# Pixels, counted.


def confusion(
    predicted: Integer[Tensor, "*n"], target: Integer[Tensor, "*n"], *, classes: int
) -> Int[Tensor, "k k"]:
    r"""Pixel counts: rows are true classes, columns predicted ones; 255 in ``target`` ignored.

    Raises :class:`EvaluationError` for any other id outside 0 to ``classes - 1``.
    """
    counted = target != IGNORE
    target, predicted = target[counted].long(), predicted[counted].long()
    for name, ids in (("predicted", predicted), ("target", target)):
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < classes:
            raise EvaluationError(
                f"{name} ids run from {int(ids.min())} to {int(ids.max())}; with {classes} classes "
                f"they are 0 to {classes - 1} (and {IGNORE} in target, which is ignored)"
            )
    cells = target * classes + predicted
    return rearrange(torch.bincount(cells, minlength=classes**2), "(k l) -> k l", l=classes)


def iou(counts: Int[Tensor, "r k"]) -> Float[Tensor, "k"]:
    r"""Intersection over union of each class, 0 to 1; NaN for a class that never occurs.

    A row more than there are classes holds pixels of none, where every prediction is wrong.
    """
    classes = counts.shape[1]
    hits = counts.diagonal().double()
    union = counts.sum(0) + counts[:classes].sum(1) - counts.diagonal()
    return hits / union


def mean_iou(counts: Int[Tensor, "r k"]) -> float:
    r"""Mean of the classes' IoU, over the classes that occur; NaN where none does."""
    return iou(counts).nanmean().item()


def accuracy(counts: Int[Tensor, "r k"]) -> float:
    r"""Share of pixels with the right class; NaN where there is no pixel."""
    return (counts.diagonal().sum() / counts.sum()).item()


# Features, compared.


@runtime_checkable
class Extractor(Protocol):
    r"""What a distance compares: one vector a picture, ``num_features`` long."""

    num_features: int

    def __call__(self, images: Tensor) -> Tensor:
        r"""Pictures ``b 3 h w`` in [-1, 1] to ``b d``."""
        ...


def pooled(features: list[Tensor]) -> Float[Tensor, "b d"]:
    r"""Feature maps to one vector an image: the mean of every channel of every map."""
    return torch.cat([reduce(maps, "b c h w -> b c", "mean") for maps in features], dim=1)


class SegmenterFeatures(nn.Module):
    r"""Each channel's mean over each feature map of a segmenter: an extractor."""

    def __init__(self, *, segmenter: nn.Module):
        super().__init__()
        self.segmenter = segmenter.eval()
        with torch.no_grad():
            device = next(segmenter.parameters()).device
            self.num_features = self(torch.zeros(1, 3, 64, 64, device=device)).shape[1]

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        return pooled(self.segmenter.features(images))


class _Given(nn.Module):
    r"""Hands torchmetrics features that are already there: they are computed once for all."""

    def __init__(self, *, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _two_at_least(distance: str, made: Tensor, real: Tensor) -> None:
    if min(len(made), len(real)) < 2:
        raise EvaluationError(
            f"a {distance} of {len(made)} made and {len(real)} real images: one image has no "
            f"spread; two a side are the least, thousands are usual"
        )


def enough(name: str, images: int, features: int, *, way_out: str = "score more images") -> None:
    r"""Refuse a Frechet distance ``name`` on so few images that its covariance is singular."""
    if images <= features:
        raise EvaluationError(
            f"{name}: {images} images for {features} features; fewer than {features + 1} leave the "
            f"covariance singular, and the distance says more about their number than about the "
            f"pictures: {way_out}"
        )


def fid(made: Float[Tensor, "n d"], real: Float[Tensor, "m d"]) -> float:
    r"""Frechet distance between Gaussians fitted to two sets of features (torchmetrics).

    Raises :class:`EvaluationError` for fewer than two images a side; see :func:`enough`.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    _two_at_least("Frechet distance", made, real)
    metric = FrechetInceptionDistance(feature=_Given(num_features=made.shape[1]))
    metric.update(real.double().cpu(), real=True)
    metric.update(made.double().cpu(), real=False)
    return metric.compute().item()


def subset_size(made: Float[Tensor, "n d"], real: Float[Tensor, "m d"]) -> int:
    r"""Images a subset of the kernel distance: the published number, or all there are."""
    return min(SUBSET_SIZE, len(made), len(real))


def kid(made: Float[Tensor, "n d"], real: Float[Tensor, "m d"]) -> tuple[float, float]:
    r"""Kernel distance, and its deviation over random subsets, always the same (torchmetrics).

    Raises :class:`EvaluationError` for fewer than two images a side.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    _two_at_least("kernel distance", made, real)
    size = subset_size(made, real)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # it warns that it keeps the features, which we have
        torch.manual_seed(SEED)
        given = _Given(num_features=made.shape[1])
        metric = KernelInceptionDistance(feature=given, subsets=SUBSETS, subset_size=size)
        metric.update(real.double().cpu(), real=True)
        metric.update(made.double().cpu(), real=False)
        mean, deviation = metric.compute()
    return mean.item(), deviation.item()
