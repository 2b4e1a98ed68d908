r"""Making an averaged generator fit to be used (chapter 09)."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from ecgan.method.generator import Generator


def recalibrate_batch_norm(generator: Generator, layouts: Iterable[Tensor]) -> None:
    r"""Measure batch statistics and spectral norms anew on ``layouts``, batches ``b s h w`` [I].

    Averages of running means, and of the power iteration's unit vectors, belong to no weights at
    all. Without this the pictures of an averaged generator come out garish.
    """
    update_bn(layouts, generator)
    generator.eval()


def recalibrated(average: Generator, layouts: Iterable[Tensor]) -> Generator:
    r"""A recalibrated copy; draws no random number, and needs no other process to take part."""
    device = next(average.parameters()).device
    with torch.random.fork_rng(devices=[]):
        copy = Generator(average.config).to(device)
    copy.load_state_dict(average.state_dict())
    recalibrate_batch_norm(copy, layouts)
    return copy
