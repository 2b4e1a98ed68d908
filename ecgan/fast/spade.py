r"""SPADE with gamma and beta once for each distinct label neighbourhood, then gathered (03)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ecgan.fast.known_layout import KnownLayout, Pyramid
from ecgan.fast.memory_order import leak_
from ecgan.fast.neighbourhoods import Neighbourhoods
from ecgan.method.generator import Generator, Synthesis
from ecgan.method.spade import SPADE, SPADEResBlock


def generator_forward(generator: Generator, semantics: Tensor, *, known: KnownLayout) -> Synthesis:
    r"""The generator's own pass, whose parts share what is found out about the layout."""
    with known.given(semantics):
        return type(generator).forward(generator, semantics)


def forward(
    spade: SPADE,
    x: Float[Tensor, "b c h w"],
    semantics: Float[Tensor, "b s h2 w2"],
    *,
    known: KnownLayout,
    recompute: bool,
) -> Float[Tensor, "b c h w"]:
    r"""Modulate ``x`` by the layout at x's size.

    With ``recompute`` a training step does not keep gamma and beta for its gradients but makes
    them anew: less memory, more time, the same numbers.
    """
    pyramid = known.of(semantics)
    distinct = pyramid.neighbourhoods(*x.shape[-2:])
    if distinct is not None and folds(spade):
        return _folded(spade, x, distinct)
    parts = spade, spade.normalise(x), pyramid
    if recompute and torch.is_grad_enabled():
        return checkpoint(_modulated, *parts, use_reentrant=False)
    return _modulated(*parts)


def folds(spade: SPADE) -> bool:
    r"""True where normalisation is a fixed factor and shift a channel, and no gradient needed.

    They are then folded into each distinct gamma and beta, before these are spread out.
    """
    return not (spade.training or torch.is_grad_enabled())


def _folded(spade: SPADE, x: Tensor, distinct: Neighbourhoods) -> Tensor:
    factor, beta = distinct.modulation_rows(spade.shared, spade.modulation)
    norm = spade.normalise
    factor = factor * torch.rsqrt(norm.running_var + norm.eps)
    return distinct.scale_and_shift(x, factor, beta - factor * norm.running_mean)


def _modulated(spade: SPADE, normalised: Tensor, pyramid: Pyramid) -> Tensor:
    size = normalised.shape[-2:]
    distinct = pyramid.neighbourhoods(*size)
    if distinct is not None:
        factor, beta = distinct.modulation(spade.shared, spade.modulation)
    else:
        gamma, beta = spade.modulate(pyramid.at(*size))
        factor = 1 + gamma
    return torch.addcmul(beta, normalised, factor)


def block_forward(
    block: SPADEResBlock, x: Float[Tensor, "b c h w"], semantics: Float[Tensor, "b s h2 w2"]
) -> Float[Tensor, "b c2 h w"]:
    r"""The residual block, with maps written over that nobody else needs."""
    shortcut = block.conv_s(block.norm_s(x, semantics)) if block.learned_shortcut else x
    x = block.conv_0(leak_(block.norm_0(x, semantics)))
    return block.conv_1(leak_(block.norm_1(x, semantics))).add_(shortcut)
