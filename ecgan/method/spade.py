r"""SPADE: normalisation that the layout modulates pixel by pixel, and its residual block (03)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import ModelConfig
from ecgan.method.layers import LEAK, convolution, resize


class SPADE(nn.Module):
    r"""Spatially adaptive normalisation [R]: ``norm(x) * (1 + gamma) + beta``.

    Batch norm without parameters; gamma and beta come from the layout through a 3 x 3
    convolution to ``spade_hidden`` channels, ReLU, and one 3 x 3 convolution for both.
    """

    def __init__(self, channels: int, *, config: ModelConfig):
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels, affine=False)
        self.shared = convolution(config.semantic_channels, config.spade_hidden)
        self.modulation = convolution(config.spade_hidden, 2 * channels)

    def forward(
        self, x: Float[Tensor, "b c h w"], semantics: Float[Tensor, "b s h2 w2"]
    ) -> Float[Tensor, "b c h w"]:
        r"""Modulate ``x`` by the semantic input, resized to x's size."""
        gamma, beta = self.modulate(resize(semantics, like=x))
        return self.normalise(x) * (1 + gamma) + beta

    def modulate(
        self, semantics: Float[Tensor, "b s h w"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        r"""Gamma and beta at every pixel."""
        gamma, beta = self.modulation(F.relu(self.shared(semantics))).chunk(2, dim=1)
        return gamma, beta


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
        self, x: Float[Tensor, "b c h w"], semantics: Float[Tensor, "b s h2 w2"]
    ) -> Float[Tensor, "b c2 h w"]:
        r"""Features of the same size with ``channels_out`` channels."""
        shortcut = self.conv_s(self.norm_s(x, semantics)) if self.learned_shortcut else x
        x = self.conv_0(F.leaky_relu(self.norm_0(x, semantics), LEAK))
        x = self.conv_1(F.leaky_relu(self.norm_1(x, semantics), LEAK))
        return shortcut + x
