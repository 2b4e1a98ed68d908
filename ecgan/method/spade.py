r"""SPADE: normalisation that the layout modulates pixel by pixel, and its residual block (03)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ecgan.config import ModelConfig
from ecgan.fast.neighbourhoods import Neighbourhoods, find
from ecgan.method.layers import convolution, leak_, tracing


class LayoutPyramid:
    r"""The semantic input ``b s h w`` at every size a network asks for, resized once (nearest).

    ``gather`` lets SPADE compute each distinct neighbourhood once; by default on a CPU.
    """

    def __init__(self, semantics: Float[Tensor, "b s h w"], *, gather: bool | None = None):
        self.full = semantics
        self._levels = {tuple(semantics.shape[-2:]): semantics}
        self._neighbourhoods: dict[tuple[int, int], Neighbourhoods | None] = {}
        constant = not (semantics.requires_grad or tracing())
        self.gather = constant and (semantics.device.type == "cpu" if gather is None else gather)

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


class SPADE(nn.Module):
    r"""Spatially adaptive normalisation [R]: ``norm(x) * (1 + gamma) + beta``.

    Batch norm without parameters; gamma and beta come from the layout through a 3 x 3
    convolution to ``spade_hidden`` channels, ReLU, and one 3 x 3 convolution for both. With
    ``recompute`` set, a training step does not keep them for its gradients but makes them anew:
    less memory, more time, the same numbers.
    """

    recompute = False

    def __init__(self, channels: int, *, config: ModelConfig):
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels, affine=False)
        self.shared = convolution(config.semantic_channels, config.spade_hidden)
        self.modulation = convolution(config.spade_hidden, 2 * channels)

    def forward(
        self, x: Float[Tensor, "b c h w"], layout: LayoutPyramid
    ) -> Float[Tensor, "b c h w"]:
        r"""Modulate ``x`` by the layout at x's size."""
        height, width = map(int, x.shape[-2:])  # while a trace is recorded they are tensors
        distinct = layout.neighbourhoods(height, width)
        if distinct is not None and self.folds():
            return self._folded(x, distinct)
        parts = self.normalise(x), layout, height, width
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self._modulated, *parts, use_reentrant=False)
        return self._modulated(*parts)

    def folds(self) -> bool:
        r"""True where normalisation is a fixed factor and shift a channel, and no gradient needed.

        They are then folded into each distinct gamma and beta, before these are spread out.
        """
        return not (self.training or torch.is_grad_enabled())

    def _folded(self, x: Tensor, distinct: Neighbourhoods) -> Tensor:
        factor, beta = distinct.modulation_rows(self.shared, self.modulation)
        norm = self.normalise
        factor = factor * torch.rsqrt(norm.running_var + norm.eps)
        return distinct.scale_and_shift(x, factor, beta - factor * norm.running_mean)

    def _modulated(self, normalised: Tensor, layout: LayoutPyramid, height: int, width: int):
        factor, beta = self.modulate(layout, height, width)
        return torch.addcmul(beta, normalised, factor)

    def modulate(
        self, layout: LayoutPyramid, height: int, width: int
    ) -> tuple[Float[Tensor, "b c {height} {width}"], Float[Tensor, "b c {height} {width}"]]:
        r"""1 + gamma, and beta, at every pixel."""
        distinct = layout.neighbourhoods(height, width)
        if distinct is not None:
            return distinct.modulation(self.shared, self.modulation)
        hidden = F.relu(self.shared(layout.at(height, width)))
        gamma, beta = self.modulation(hidden).chunk(2, dim=1)
        return 1 + gamma, beta


class SPADEResBlock(nn.Module):
    r"""Twice SPADE, LeakyReLU, 3 x 3 convolution, beside a shortcut [R].

    The shortcut is the identity, or SPADE and a 1 x 1 convolution where the widths differ.
    """

    def __init__(self, *, channels_in: int, channels_out: int, config: ModelConfig):
        super().__init__()
        middle = min(channels_in, channels_out)
        self.norm_0 = SPADE(channels_in, config=config)
        self.conv_0 = convolution(channels_in, middle, spectral=True)
        self.norm_1 = SPADE(middle, config=config)
        self.conv_1 = convolution(middle, channels_out, spectral=True)
        self.learned_shortcut = channels_in != channels_out
        if self.learned_shortcut:
            self.norm_s = SPADE(channels_in, config=config)
            self.conv_s = convolution(
                channels_in, channels_out, kernel=1, bias=False, spectral=True
            )

    def forward(
        self, x: Float[Tensor, "b c h w"], layout: LayoutPyramid
    ) -> Float[Tensor, "b c2 h w"]:
        r"""Features of the same size with ``channels_out`` channels."""
        shortcut = self.conv_s(self.norm_s(x, layout)) if self.learned_shortcut else x
        x = self.conv_0(leak_(self.norm_0(x, layout)))
        return self.conv_1(leak_(self.norm_1(x, layout))).add_(shortcut)
