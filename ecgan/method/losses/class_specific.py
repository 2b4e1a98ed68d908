r"""Class-specific generation: an image for each class, from that class's features (chapter 08).

Part of the paper's *contrastive learning loss* [S]; its form is known from memory only [P]: a
decoder shared by all classes turns each class's masked features into that class's image; the
images' sum is a picture; each class is compared with the masked real image on its own, so that
rare classes are not drowned by the sky.
"""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from jaxtyping import Float, Integer
from torch import Tensor, nn

from ecgan.method.layouts import IGNORE
from ecgan.method.losses.finite import checks, full_precision, require_finite


class ClassSpecificDecoder(nn.Module):
    r"""Features and layout to the sum of the classes' images, in [-1, 1]. [P]; chapter 08.

    Shared by all ``classes``. Features are masked before each of the two 3x3 convolutions and after
    them, so that at a pixel the sum holds the image of that pixel's class, made from that class's
    features and nothing else. A pixel of no class, ``ignore`` for one, is 0.
    """

    def __init__(self, *, channels: int, classes: int, hidden: int = 16) -> None:
        super().__init__()
        self.classes = classes
        self.hidden = nn.Conv2d(channels, hidden, 3, padding=1)
        self.out = nn.Conv2d(hidden, 3, 3, padding=1)

    def image_of(
        self, features: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        r"""The image of the class whose pixels are 1 in ``mask``, and 0 elsewhere."""
        hidden = F.leaky_relu(self.hidden(features * mask), 0.2) * mask
        return torch.tanh(self.out(hidden)) * mask

    def forward(
        self, features: Float[Tensor, "b c h w"], labels: Integer[Tensor, "b h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        masks = rearrange(class_masks(labels, self.classes).to(features), "b k h w -> k b 1 h w")
        return sum(self.image_of(features, mask) for mask in masks)


def class_masks(labels, classes: int):
    r"""A mask a class, "b k h w": true where a pixel is of it."""
    each = rearrange(torch.arange(classes, device=labels.device), "k -> k 1 1")
    return rearrange(labels, "b h w -> b 1 h w") == each


def split_classes(
    image: Float[Tensor, "b c h w"], labels: Integer[Tensor, "b h w"], *, classes: int
) -> Float[Tensor, "b k c h w"]:
    r"""The image of each class: zero outside its pixels. For looking at, not for training."""
    masks = class_masks(labels, classes).to(image)
    return einsum(image, masks, "b c h w, b k h w -> b k c h w")


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
    nothing else is present. Labels from 0 to ``classes`` - 1; anything else raises ``ValueError``
    where inputs are checked.
    """
    require_finite("class-specific", image, real)
    flat = rearrange(labels, "b h w -> (b h w)").long()
    counted = flat != ignore
    if checks() and (counted & ((flat < 0) | (flat >= classes))).any():
        met = flat[counted]
        raise ValueError(
            f"class-specific loss: labels from {int(met.min())} to {int(met.max())}; allowed are "
            f"0 to {classes - 1} and {ignore} (ignored). See `ecgan doctor`."
        )
    error = (full_precision(image) - full_precision(real.detach())).abs()
    error = reduce(error, "b c h w -> (b h w)", "mean")
    bins = torch.where(counted, flat, classes)  # one more, for what is ignored
    sums = error.new_zeros(classes + 1).index_add(0, bins, error)[:-1]
    counts = error.new_zeros(classes + 1).index_add(0, bins, torch.ones_like(error))[:-1]
    return (sums / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
