r"""``accelerate(network)``: its known parts compute the same by other ways; ``plain`` undoes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from ecgan.fast import class_specific, convolutions, discriminator, semantic_preserving, spade
from ecgan.fast.known_layout import KnownLayout
from ecgan.method.discriminator import Discriminator, PatchDiscriminator
from ecgan.method.generator import Generator
from ecgan.method.losses.class_specific import ClassSpecificDecoder
from ecgan.method.semantic_preserving import SemanticPreservingModule
from ecgan.method.spade import SPADE, SPADEResBlock

ANSWERED = ("forward", "discriminate")  # methods that a quick function may answer for


def recording() -> bool:
    r"""True while a graph is recorded, which must not depend on what goes in."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export()


def bind(part: nn.Module, quick, *, name: str = "forward", **given) -> None:
    r"""Let ``quick(part, ...)`` answer for a method, except while a graph is recorded."""
    setattr(part, name, partial(_either, part, getattr(type(part), name), partial(quick, **given)))


def _either(part: nn.Module, method, quick, *inputs):
    return (method if recording() else quick)(part, *inputs)


def accelerate(
    network: nn.Module, *, recompute: bool = False, gather: bool | None = None
) -> nn.Module:
    r"""Make the known parts of ``network`` quick, in place; returns it.

    Known are the generator's, the discriminator's and the class-specific decoder's parts. Values
    and gradients stay the same but for rounding, ``state_dict`` keeps its keys, copies are quick
    too. ``recompute`` saves memory in training: SPADE's gamma and beta are made again for the
    gradients, not kept. ``gather`` has distinct neighbourhoods looked for, by default on a CPU.
    """
    known = KnownLayout(gather=gather)
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            bind(part, convolutions.forward)
        elif isinstance(part, SPADE):
            bind(part, spade.forward, known=known, recompute=recompute)
        elif isinstance(part, SPADEResBlock):
            bind(part, spade.block_forward)
        elif isinstance(part, SemanticPreservingModule):
            bind(part, semantic_preserving.forward, known=known)
        elif isinstance(part, Generator):
            bind(part, spade.generator_forward, known=known)
        elif isinstance(part, PatchDiscriminator):
            bind(part, discriminator.patch_forward)
        elif isinstance(part, Discriminator):
            bind(part, discriminator.discriminate, name="discriminate")
        elif isinstance(part, ClassSpecificDecoder):
            bind(part, class_specific.decoder_forward)
    return network


def is_accelerated(network: nn.Module) -> bool:
    r"""Whether any part of ``network`` computes by another way than its class says."""
    return bool(_bound(network))


def _bound(network: nn.Module) -> list[tuple[nn.Module, str]]:
    return [(part, name) for part in network.modules() for name in ANSWERED if name in vars(part)]


@contextmanager
def plain(network: nn.Module) -> Iterator[nn.Module]:
    r"""The network as the method says, for a while: to be recorded, compiled or compared."""
    quick = [(part, name, vars(part).pop(name)) for part, name in _bound(network)]
    try:
        yield network
    finally:
        for part, name, bound in quick:
            setattr(part, name, bound)


@contextmanager
def accelerated(network: nn.Module) -> Iterator[nn.Module]:
    r"""The network accelerated for a while, as it was before afterwards."""
    if is_accelerated(network):
        yield network
        return
    accelerate(network)
    try:
        yield network
    finally:
        for part, name in _bound(network):
            delattr(part, name)
