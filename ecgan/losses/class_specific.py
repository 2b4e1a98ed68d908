r"""Class-specific generation: an image for each class, from that class's features (chapter 08). [P]

The paper's decoder is known from memory only: a decoder shared by all classes turns each class's
masked features into that class's image; the images' sum is a picture; each class is compared with
the masked real image on its own, so that rare classes are not drowned by the sky.
"""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from ecgan.layouts import IGNORE
from ecgan.losses.finite import full_precision, require_finite


def same_class_neighbours(labels: Integer[Tensor, "b h w"]) -> Bool[Tensor, "nine b h w"]:
    r"""For each of the 3x3 neighbours (row by row): is it inside, and of the pixel's class?"""
    height, width = labels.shape[-2:]
    labels = labels.long()  # uint8 has no -1
    padded = F.pad(labels, (1, 1, 1, 1), value=-1)
    return torch.stack([
        padded[:, y : y + height, x : x + width] == labels for y in range(3) for x in range(3)
    ])  # fmt: skip


class SameClassConv(nn.Conv2d):
    r"""3x3 convolution in which a pixel sees only neighbours of its own class. [I]

    Equal to masking the features by each class in turn, convolving each (zero padding), masking
    again and summing; but one pass for all classes, be they 9 or 183. Each of the nine weights is
    applied as a 1x1 convolution; its result is moved and kept where the neighbour's class agrees.
    """

    def __init__(self, *, channels: int, out: int) -> None:
        super().__init__(channels, out, kernel_size=3)

    def forward(
        self, features: Float[Tensor, "b c h w"], neighbours: Bool[Tensor, "nine b h w"]
    ) -> Float[Tensor, "b d h w"]:
        height, width = features.shape[-2:]
        weight = rearrange(self.weight, "d c y x -> (y x d) c 1 1")
        parts = F.pad(F.conv2d(features, weight), (1, 1, 1, 1))
        parts = rearrange(parts, "b (nine d) h w -> nine b d h w", nine=9)
        result = rearrange(self.bias, "d -> d 1 1").to(parts.dtype)
        for index, (part, mask) in enumerate(zip(parts, neighbours, strict=True)):
            y, x = divmod(index, 3)
            moved = part[:, :, y : y + height, x : x + width]
            result = result + moved * rearrange(mask, "b h w -> b 1 h w")
        return result


class ClassSpecificDecoder(nn.Module):
    r"""Features and layout to the sum of the classes' images, in [-1, 1]. [P]; chapter 08.

    Shared by all classes; every layer sees, and writes, only pixels of one class, so that at each
    pixel the sum holds the image of that pixel's class and nothing else. ``ignore`` pixels count as
    a class of their own here and are left out of the loss.
    """

    def __init__(self, *, channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.hidden = SameClassConv(channels=channels, out=hidden)
        self.out = SameClassConv(channels=hidden, out=3)

    def forward(
        self, features: Float[Tensor, "b c h w"], labels: Integer[Tensor, "b h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        neighbours = same_class_neighbours(labels)
        hidden = F.leaky_relu(self.hidden(features, neighbours), 0.2)
        return torch.tanh(self.out(hidden, neighbours))


def split_classes(
    image: Float[Tensor, "b c h w"], labels: Integer[Tensor, "b h w"], *, classes: int
) -> Float[Tensor, "b k c h w"]:
    r"""The image of each class: zero outside its pixels. For looking at, not for training."""
    masks = torch.stack([labels == index for index in range(classes)], dim=1)
    return einsum(image, masks.to(image.dtype), "b c h w, b k h w -> b k c h w")


def class_specific(
    image: Float[Tensor, "b 3 h w"],
    real: Float[Tensor, "b 3 h w"],
    labels: Integer[Tensor, "b h w"],
    *,
    classes: int,
    ignore: int = IGNORE,
) -> Float[Tensor, ""]:
    r"""L1 to the real image per class: the mean over the classes present of each class's mean. [P]

    A class's mean runs over all its pixels in the batch, and over the three colours; a lamp of ten
    pixels weighs as much as the sky. ``ignore`` takes no part; zero, with gradient zero, where
    nothing else is present. Labels from 0 to ``classes`` - 1, anything else raises ``ValueError``.
    """
    require_finite("class-specific", image, real)
    error = (full_precision(image) - full_precision(real.detach())).abs()
    error = rearrange(reduce(error, "b c h w -> b h w", "mean"), "b h w -> (b h w)")
    flat = rearrange(labels, "b h w -> (b h w)")
    counted = flat != ignore
    error, flat = error[counted], flat[counted].long()
    if len(flat) and not 0 <= int(flat.min()) <= int(flat.max()) < classes:
        raise ValueError(
            f"class-specific loss: labels from {int(flat.min())} to {int(flat.max())}; allowed are "
            f"0 to {classes - 1} and {ignore} (ignored). See `ecgan doctor`."
        )
    sums = error.new_zeros(classes).index_add(0, flat, error)
    counts = torch.bincount(flat, minlength=classes)
    return (sums / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
