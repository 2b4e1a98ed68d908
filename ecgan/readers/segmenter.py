r"""Label generators: images back to class scores, one small protocol (chapter 06)."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from einops import pack, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.config import ConfigError


@runtime_checkable
class Segmenter(Protocol):
    r"""What a label generator offers: class scores and feature maps of images in [-1, 1]."""

    levels: int
    """How many feature maps :meth:`features` gives."""

    def __call__(self, images: Tensor) -> Tensor:
        r"""Class scores (logits) ``b k h w`` of images ``b 3 h w``."""
        ...

    def features(self, images: Tensor) -> list[Tensor]:
        r"""Feature maps, fine to coarse."""
        ...

    def scores(self, features: list[Tensor]) -> Tensor:
        r"""Class scores from an image's feature maps, for who needs both."""
        ...


class DoubleConvolution(nn.Sequential):
    r"""Twice 3 x 3 convolution, batch norm, ReLU."""

    def __init__(self, *, channels_in: int, channels_out: int, dilation: int = 1):
        layers = []
        for before in (channels_in, channels_out):
            conv = nn.Conv2d(
                before, channels_out, 3, padding=dilation, dilation=dilation, bias=False
            )
            layers += [conv, nn.BatchNorm2d(channels_out), nn.ReLU()]
        super().__init__(*layers)


class UNet(nn.Module):
    r"""A small U-Net (Ronneberger et al., 2015) for the toy world [I].

    ``depth`` halvings; ``width`` channels at full size, doubled at each halving. Images whose
    height and width are multiples of ``2**depth``.
    """

    def __init__(self, *, classes: int, width: int = 16, depth: int = 3):
        super().__init__()
        self.config = {"classes": classes, "width": width, "depth": depth}
        if classes < 2 or width < 1 or depth < 1:
            raise ConfigError(f"a U-Net needs 2 classes, width 1, depth 1 or more: {self.config}")
        self.levels = depth + 1
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            DoubleConvolution(channels_in=before, channels_out=after)
            for before, after in zip([3, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            DoubleConvolution(channels_in=below + beside, channels_out=beside)
            for beside, below in reversed(list(zip(widths[:-1], widths[1:], strict=True)))
        )
        self.score = nn.Conv2d(width, classes, 1)

    def features(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        r"""The contracting path's outputs, fine to coarse: ``width * 2**level`` channels."""
        step = 2 ** self.config["depth"]
        if images.shape[-2] % step or images.shape[-1] % step:
            raise ConfigError(
                f"images are {images.shape[-2]} x {images.shape[-1]}; this U-Net halves "
                f"{self.config['depth']} times, so both must be multiples of {step}"
            )
        outputs = [self.down[0](images)]
        for block in self.down[1:]:
            outputs.append(block(F.max_pool2d(outputs[-1], 2)))
        return outputs

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        r"""Class scores of images in [-1, 1]."""
        return self.scores(self.features(images))

    def scores(self, features: Sequence[Tensor]) -> Float[Tensor, "b k h w"]:
        r"""Class scores from the contracting path's outputs."""
        *beside, x = features
        for block, skip in zip(self.up, reversed(beside), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(pack([x, skip], "b * h w")[0])
        return self.score(x)


class DilatedJudge(nn.Module):
    r"""A judge that shares nothing with the loss: no halving, no skips, dilated instead [I].

    Blocks of one size with growing dilation, and none of a U-Net's path, so that a generator
    cannot please it merely by having pleased the label generator. With ``patch`` above 1 they read
    squares of so many pixels as one place, and their scores are enlarged: quicker, and it sees
    further. Images whose height and width are multiples of ``patch``.
    """

    def __init__(
        self,
        *,
        classes: int,
        width: int = 24,
        dilations: Sequence[int] = (1, 2, 4, 8),
        patch: int = 1,
    ):
        super().__init__()
        self.config = {"classes": classes, "width": width, "dilations": tuple(dilations)}
        if patch < 1:
            raise ConfigError(f"patch is {patch}; it must be at least 1")
        if patch > 1:
            self.config["patch"] = patch
        self.patch = patch
        self.levels = len(dilations)
        self.blocks = nn.ModuleList(
            DoubleConvolution(channels_in=before, channels_out=width, dilation=dilation)
            for before, dilation in zip(
                [3 * patch**2, *[width] * (len(dilations) - 1)], dilations, strict=True
            )
        )
        self.score = nn.Conv2d(width * len(dilations), classes, 1)

    def features(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        r"""Every block's output, all at the size of the picture in patches."""
        outputs, side = [], self.patch
        images = rearrange(images, "b c (h y) (w x) -> b (c y x) h w", y=side, x=side)
        for block in self.blocks:
            images = block(images)
            outputs.append(images)
        return outputs

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        r"""Class scores of images in [-1, 1]."""
        return self.scores(self.features(images))

    def scores(self, features: Sequence[Tensor]) -> Float[Tensor, "b k h w"]:
        r"""Class scores from the blocks' outputs, at full size."""
        scores = self.score(torch.cat(list(features), dim=1))
        if self.patch == 1:
            return scores
        return F.interpolate(scores, scale_factor=self.patch, mode="bilinear", align_corners=False)
