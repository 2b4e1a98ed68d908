r"""The semantic preserving module: class-dependent maps, gated, and the final image (05)."""

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.method.layers import LEAK, convolution


class SemanticPreservingModule(nn.Module):
    r"""Class-dependent feature maps, each gated by its own global average [R], chapter 05."""

    def __init__(self, *, channels: int, classes: int):
        super().__init__()
        self.to_classes = convolution(channels, classes)
        self.from_classes = convolution(classes, channels)
        self.to_image = convolution(channels, 3)

    def forward(
        self, *parts: Float[Tensor, "b _ h w"]
    ) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b k h w"], Float[Tensor, "b k"]]:
        r"""The final image in [-1, 1], the class maps before gating, the gates in (0, 1).

        ``parts`` are concatenated: features ``F``, first image ``I'``, edge map ``I_e``, layout
        ``S``, in that order, ``channels`` together.
        """
        maps = self.to_classes(F.leaky_relu(torch.cat(parts, dim=1), LEAK))
        gates = self.gate(maps)
        gated = maps * rearrange(gates, "b k -> b k 1 1") + maps
        x = self.from_classes(F.leaky_relu(gated, LEAK))
        return torch.tanh(self.to_image(F.leaky_relu(x, LEAK))), maps, gates

    def gate(self, maps: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k"]:
        r"""One weight in (0, 1) a class: the sigmoid of its map's average."""
        return torch.sigmoid(reduce(maps, "b k h w -> b k", "mean"))
