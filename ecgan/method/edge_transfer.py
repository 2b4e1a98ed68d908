r"""Edge and image branch, and the attention guided edge transfer between them (chapter 04)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.method.layers import LEAK, convolution

BRANCH_CHANNELS = (32, 16, 8)  # C/2, C/4, C/8 in the paper [S]; equal to that at C = 64 [R]


class Branch(nn.Module):
    r"""Four 3 x 3 convolutions c -> 32 -> 16 -> 8 -> 3, each on LeakyReLU of the one before [R]."""

    def __init__(self, *, channels: int):
        super().__init__()
        widths = (channels, *BRANCH_CHANNELS)
        self.hidden = nn.ModuleList(
            convolution(before, after)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = convolution(BRANCH_CHANNELS[-1], 3)


class EdgeGenerator(Branch):
    r"""Features ``F`` to the edge map, [-1, 1] [R]."""

    def forward(self, features: Float[Tensor, "b c h w"]) -> tuple[Tensor, list[Tensor]]:
        r"""The edge map ``b 3 h w`` and the three hidden layers' features."""
        hidden = []
        for layer in self.hidden:
            features = layer(F.leaky_relu(features, LEAK))
            hidden.append(features)
        return torch.tanh(self.last(F.leaky_relu(features, LEAK))), hidden


class AttentionGuidedEdgeTransfer(nn.Module):
    r"""``image * sigmoid(edge) + image``: edges amplify image features, at most twofold [R], 04."""

    def forward(
        self, image: Float[Tensor, "b c h w"], edge: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        r"""The transferred features and the attention, in (0, 1)."""
        attention = torch.sigmoid(edge)
        return attention * image + image, attention


class ImageGenerator(Branch):
    r"""Features ``F`` to the first image ``I'``, guided by the edge branch at every layer [R]."""

    def __init__(self, *, channels: int):
        super().__init__(channels=channels)
        self.transfer = AttentionGuidedEdgeTransfer()

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        edge: Float[Tensor, "b 3 h w"] | None,
        edge_features: list[Tensor],
    ) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
        r"""``I'``, then per layer: features before the transfer, attention, features after.

        With ``edge`` None nothing is transferred and the last two lists are empty.
        """
        before, attention, after = [], [], []
        for level, layer in enumerate(self.hidden):
            features = layer(F.leaky_relu(features, LEAK))
            before.append(features)
            if edge is not None:
                features, weights = self.transfer(features, edge_features[level])
                attention.append(weights)
                after.append(features)
        image = torch.tanh(self.last(F.leaky_relu(features, LEAK)))
        if edge is not None:
            image, _ = self.transfer(image, edge)
        return image, before, attention, after
