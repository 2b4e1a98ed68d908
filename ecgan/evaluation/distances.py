r"""Distances between sets of pictures, on features that are computed once (torchmetrics)."""

import warnings
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.evaluation.metrics import pooled

SUBSETS, SUBSET_SIZE = 100, 1000  # of the kernel distance, as published
SEED = 0


@runtime_checkable
class Extractor(Protocol):
    r"""What a distance compares: one vector a picture, ``num_features`` long."""

    num_features: int

    def __call__(self, images: Tensor) -> Tensor:
        r"""Pictures ``b 3 h w`` in [-1, 1] to ``b d``."""
        ...


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


def fid(made: Float[Tensor, "n d"], real: Float[Tensor, "m d"]) -> float:
    r"""Frechet distance between Gaussians fitted to two sets of features (torchmetrics)."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Given(num_features=made.shape[1]))
    metric.update(real.double().cpu(), real=True)
    metric.update(made.double().cpu(), real=False)
    return metric.compute().item()


def subset_size(made: Float[Tensor, "n d"], real: Float[Tensor, "m d"]) -> int:
    r"""Images a subset of the kernel distance: the published number, or all there are."""
    return min(SUBSET_SIZE, len(made), len(real))


def kid(made: Float[Tensor, "n d"], real: Float[Tensor, "m d"]) -> tuple[float, float]:
    r"""Kernel distance, and its deviation over random subsets, always the same (torchmetrics)."""
    from torchmetrics.image.kid import KernelInceptionDistance

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
