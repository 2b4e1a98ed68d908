r"""Class-specific generation: an image for each class, from that class's features (chapter 08). [P]

The paper's decoder is known from memory only: a decoder shared by all classes turns each class's
masked features into that class's image; the images' sum is a picture; each class is compared with
the masked real image on its own, so that rare classes are not drowned by the sky.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, parse_shape, rearrange, reduce
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from ecgan.fast.neighbourhoods import Rows
from ecgan.method.layouts import IGNORE
from ecgan.method.losses.finite import full_precision, require_finite


@dataclass(frozen=True, kw_only=True)
class ClassBorders:
    r"""The pixels of a batch of label maps that have a neighbour of another class.

    ``pixels`` are their places in "(b h w)"; ``patches`` picks each one's 3x3 neighbours, row by
    row, out of all pixels and one more, zero, which stands for those outside and of other classes.
    """

    pixels: Int[Tensor, "n"]
    patches: Rows

    @classmethod
    def of(cls, labels: Integer[Tensor, "b h w"]) -> "ClassBorders":
        r"""The borders of label maps."""
        flat = rearrange(labels.long(), "b h w -> (b h w)")  # uint8 has no -1
        places = torch.arange(len(flat), device=labels.device)
        around = neighbours(rearrange(places, "(b h w) -> b h w", **parse_shape(labels, "b h w")))
        inside = around >= 0
        same = inside & (flat[around] == rearrange(flat, "n -> n 1"))
        pixels = torch.nonzero((inside & ~same).any(dim=1), as_tuple=True)[0]
        entries = torch.where(same, around, len(flat))[pixels]
        patches = Rows(entries=rearrange(entries, "n nine -> (n nine) 1"), size=len(flat) + 1)
        return cls(pixels=pixels, patches=patches)


def neighbours(ids: Int[Tensor, "b h w"]) -> Int[Tensor, "n 9"]:
    r"""The ids of the 3x3 pixels around each pixel, row by row; -1 outside."""
    height, width = ids.shape[-2:]
    padded = F.pad(ids, (1, 1, 1, 1), value=-1)
    parts = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return rearrange(parts, "nine b h w -> (b h w) nine")


class SameClassConv(nn.Conv2d):
    r"""3x3 convolution in which a pixel sees only neighbours of its own class. [I]

    Equal to masking the features by each class in turn, convolving each (zero padding), masking
    again and summing; but one pass for all classes, be they 9 or 183. Away from borders between
    classes it is an ordinary convolution; the pixels at a border are computed once more, apart.
    """

    def __init__(self, *, channels: int, out: int) -> None:
        super().__init__(channels, out, kernel_size=3, padding=1)

    def forward(
        self, features: Float[Tensor, "b c h w"], borders: ClassBorders
    ) -> Float[Tensor, "b d h w"]:
        everywhere = super().forward(features)
        pixels = rearrange(features, "b c h w -> (b h w) c")
        patches = borders.patches.sum(F.pad(pixels, (0, 0, 0, 1)))
        patches = rearrange(patches, "(n nine) c -> n (nine c)", nine=9)
        weight = rearrange(self.weight, "d c y x -> d (y x c)")
        apart = F.linear(patches, weight, self.bias).to(everywhere.dtype)
        result = rearrange(everywhere, "b d h w -> (b h w) d")
        result = result.index_copy(0, borders.pixels, apart)
        return rearrange(result, "(b h w) d -> b d h w", **parse_shape(features, "b _ h w"))


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
        borders = ClassBorders.of(labels)
        hidden = F.leaky_relu(self.hidden(features, borders), 0.2)
        return torch.tanh(self.out(hidden, borders))


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
