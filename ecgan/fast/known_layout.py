r"""What is known of the layouts at hand, found once for all parts of a network that ask."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ecgan.fast.memory_order import channels_last
from ecgan.fast.neighbourhoods import Neighbourhoods, find


class Pyramid:
    r"""The semantic input ``b s h w`` at every size that is asked for, and what is distinct there.

    ``gather`` lets distinct neighbourhoods be looked for: by default on a CPU, for layouts that
    need no gradient.
    """

    def __init__(self, semantics: Float[Tensor, "b s h w"], *, gather: bool | None = None):
        self.given, self.full = semantics, channels_last(semantics)
        self._levels = {tuple(semantics.shape[-2:]): self.full}
        self._neighbourhoods: dict[tuple[int, int], Neighbourhoods | None] = {}
        wanted = semantics.device.type == "cpu" if gather is None else gather
        self.gather = wanted and not semantics.requires_grad

    def at(self, height: int, width: int) -> Float[Tensor, "b s {height} {width}"]:
        r"""The layout at ``height`` x ``width`` pixels."""
        size = (height, width)
        if size not in self._levels:
            self._levels[size] = F.interpolate(self.full, size=size, mode="nearest")
        return self._levels[size]

    def neighbourhoods(self, height: int, width: int) -> Neighbourhoods | None:
        r"""The distinct neighbourhoods at that size; None where convolving everywhere is better."""
        size = (height, width)
        if size not in self._neighbourhoods:
            self._neighbourhoods[size] = find(self.at(*size)) if self.gather else None
        return self._neighbourhoods[size]


class KnownLayout:
    r"""The pyramid of the semantic input of the pass under way, shared by a network's parts."""

    def __init__(self, *, gather: bool | None = None):
        self.gather, self._pyramid = gather, None

    def of(self, semantics: Tensor) -> Pyramid:
        r"""The pyramid of ``semantics``: the one at hand, or a new one for a part called alone."""
        at_hand = self._pyramid is not None and self._pyramid.given is semantics
        return self._pyramid if at_hand else Pyramid(semantics, gather=self.gather)

    @contextmanager
    def given(self, semantics: Tensor) -> Iterator[None]:
        r"""While a network's pass lasts, its parts are told of one and the same pyramid."""
        self._pyramid = Pyramid(semantics, gather=self.gather)
        try:
            yield
        finally:
            self._pyramid = None
