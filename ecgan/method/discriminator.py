r"""The multi-modality discriminator: one two-scale PatchGAN for edges and images (chapter 08)."""

import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import ModelConfig
from ecgan.method.layers import channels_last, convolution, leak_
from ecgan.method.layouts import LayoutError

SCALES = 2
WIDEST = 512


def half(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    r"""The picture of the second scale: average pool 3 x 3, stride 2, padding not counted [R]."""
    return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


class PatchDiscriminator(nn.Module):
    r"""One scale: 4 x 4 convolutions to a map of scores, one a patch; padding 2 [R]."""

    def __init__(self, *, channels_in: int, base_channels: int):
        super().__init__()
        widths = [min(base_channels * 2**i, WIDEST) for i in range(4)]
        self.entry = convolution(channels_in, widths[0], kernel=4, stride=2, padding=2)
        self.middle = nn.ModuleList(
            convolution(
                before, after, kernel=4, stride=stride, padding=2, bias=False, spectral=True
            )
            for before, after, stride in zip(widths[:-1], widths[1:], (2, 2, 1), strict=True)
        )
        self.score = convolution(widths[-1], 1, kernel=4, padding=2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        r"""Every layer's output; the last is the score map ``b 1 h' w'``."""
        return self.after_entry(self.entry(x))

    def read(self, layouts: Float[Tensor, "b s h w"]) -> Float[Tensor, "b d h2 w2"]:
        r"""The share of the layouts, the first channels, in the first convolution."""
        weight = self.entry.weight[:, : layouts.shape[1]]
        return F.conv2d(layouts, weight, self.entry.bias, self.entry.stride, self.entry.padding)

    def judge(
        self, read: Float[Tensor, "b d h2 w2"], pictures: Float[Tensor, "mb 3 h w"]
    ) -> list[Tensor]:
        r"""The same as a call, for m pictures of each layout that was read."""
        weight = self.entry.weight[:, -pictures.shape[1] :]
        own = F.conv2d(pictures, weight, None, self.entry.stride, self.entry.padding)
        return self.after_entry(
            own + repeat(read, "b d h w -> (m b) d h w", m=len(own) // len(read))
        )

    def after_entry(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        r"""The rest, from the first convolution's result."""
        outputs = [leak_(x)]
        for conv in self.middle:
            outputs.append(leak_(F.instance_norm(conv(outputs[-1]))))
        return [*outputs, self.score(outputs[-1])]


class Discriminator(nn.Module):
    r"""The paper's multi-modality discriminator: edge, ``I'``, ``I''`` before one judge [R].

    Raises :class:`ecgan.method.layouts.LayoutError` where layout and picture do not fit.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(
            PatchDiscriminator(
                channels_in=config.semantic_channels + 3, base_channels=config.base_channels
            )
            for _ in range(SCALES)
        )

    def forward(self, semantics: Tensor, image: Tensor) -> list[list[Tensor]]:
        r"""Per scale, fine first, the list of its layers' outputs, the last being the map.

        ``semantics`` is ``b s h w``, ``image`` (an image or edge map in [-1, 1]) ``b 3 h w``.
        """
        self._check(semantics, image)
        return self.judge(self.read(semantics), image)

    def discriminate(
        self, semantics: Float[Tensor, "b s h w"], pictures: dict[str, Tensor]
    ) -> dict[str, list[list[Tensor]]]:
        r"""The result for each picture ``b 3 h w`` of the same layouts, by its name."""
        return {name: self(semantics, picture) for name, picture in pictures.items()}

    def read(self, semantics: Float[Tensor, "b s h w"]) -> list[Tensor]:
        r"""The layouts' share of each scale's first convolution, the same for all pictures."""
        outputs, x = [], channels_last(semantics)
        for scale in self.scales:
            outputs.append(scale.read(x))
            x = half(x)
        return outputs

    def judge(self, read: list[Tensor], images: Float[Tensor, "mb 3 h w"]) -> list[list[Tensor]]:
        r"""The result for m images of each layout that was read, in the order "(m b)"."""
        outputs, x = [], channels_last(images)
        for scale, share in zip(self.scales, read, strict=True):
            outputs.append(scale.judge(share, x))
            x = half(x)
        return outputs

    def _check(self, semantics: Tensor, image: Tensor) -> None:
        channels = self.config.semantic_channels
        fits = (
            semantics.ndim == image.ndim == 4
            and (semantics.shape[1], image.shape[1]) == (channels, 3)
            and semantics.shape[0] == image.shape[0]
            and semantics.shape[2:] == image.shape[2:]
        )
        if not fits:
            raise LayoutError(
                f"layout {tuple(semantics.shape)} and picture {tuple(image.shape)} do not fit; "
                f"this config needs (batch, {channels}, height, width) and "
                f"(batch, 3, height, width) of one size"
            )


def judge(
    discriminator: Discriminator, semantics: Tensor | list[Tensor], pictures: dict[str, Tensor]
) -> dict[str, list[list[Tensor]]]:
    r"""Each picture's result from one joint pass; equal to a pass each, as no layer mixes a batch.

    ``semantics`` is ``b s h w``, or what the discriminator has read of it already; ``pictures``
    maps names to ``b 3 h w``.
    """
    read = discriminator.read(semantics) if isinstance(semantics, Tensor) else semantics
    stacked = torch.cat([channels_last(picture) for picture in pictures.values()])
    outputs = discriminator.judge(read, stacked)
    split = [[layer.chunk(len(pictures)) for layer in layers] for layers in outputs]
    return {
        name: [[layer[index] for layer in layers] for layers in split]
        for index, name in enumerate(pictures)
    }
