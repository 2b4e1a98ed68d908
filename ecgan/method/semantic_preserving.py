r"""The semantic preserving module: class-dependent maps, gated, and the final image (05)."""

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.fast.neighbourhoods import Neighbourhoods
from ecgan.method.layers import LEAK, convolution, leak_


class SemanticPreservingModule(nn.Module):
    r"""Class-dependent feature maps, each gated by its own global average [R], chapter 05."""

    def __init__(self, *, channels: int, classes: int):
        super().__init__()
        self.to_classes = convolution(channels, classes)
        self.from_classes = convolution(classes, channels)
        self.to_image = convolution(channels, 3)

    def forward(
        self, stack: Float[Tensor, "b c h w"], layout: Neighbourhoods | None = None
    ) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b k h w"], Float[Tensor, "b k"]]:
        r"""The final image in [-1, 1], the class maps before gating, the gates in (0, 1).

        ``layout`` may stand in for the stack's last channels, if those are the layout's: they are
        then looked up rather than convolved.
        """
        maps = self._class_maps(F.leaky_relu(stack, LEAK), layout)
        gates = self.gate(maps)
        gated = (maps * rearrange(gates, "b k -> b k 1 1")).add_(maps)
        x = self.from_classes(leak_(gated))
        return torch.tanh(self.to_image(leak_(x))), maps, gates

    def _class_maps(self, x: Tensor, layout: Neighbourhoods | None) -> Tensor:
        if layout is None:
            return self.to_classes(x)
        own, rest = self.to_classes.weight.tensor_split([x.shape[1]], dim=1)
        # A layout is its own LeakyReLU: it holds nothing below 0.
        return F.conv2d(x, own, self.to_classes.bias, padding=1).add_(layout.convolve(rest))

    def gate(self, maps: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k"]:
        r"""One weight in (0, 1) a class: the sigmoid of its map's average."""
        return torch.sigmoid(reduce(maps, "b k h w -> b k", "mean"))
