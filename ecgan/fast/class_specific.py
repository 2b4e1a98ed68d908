r"""The class-specific decoder in one pass for all classes, be they 9 or 183 (chapter 08).

A convolution in which a pixel sees only neighbours of its own class is what masking each class's
features in turn, convolving, masking again and summing comes to. Away from borders between classes
it is an ordinary convolution.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import parse_shape, rearrange
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor, nn

from ecgan.fast.neighbourhoods import Rows
from ecgan.method.losses.class_specific import ClassSpecificDecoder


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


def neighbours(values: Integer[Tensor, "b h w"]) -> Integer[Tensor, "n 9"]:
    r"""The values of the 3x3 pixels around each pixel, row by row; -1 outside."""
    height, width = values.shape[-2:]
    padded = F.pad(values, (1, 1, 1, 1), value=-1)
    parts = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return rearrange(parts, "nine b h w -> (b h w) nine")


def by_borders(
    module: nn.Conv2d, features: Float[Tensor, "b c h w"], borders: ClassBorders
) -> Float[Tensor, "b d h w"]:
    r"""An ordinary convolution, and the pixels at a border once more, apart."""
    everywhere = module(features)
    pixels = rearrange(features, "b c h w -> (b h w) c")
    patches = borders.patches.sum(F.pad(pixels, (0, 0, 0, 1)))
    patches = rearrange(patches, "(n nine) c -> n (nine c)", nine=9)
    weight = rearrange(module.weight, "d c y x -> d (y x c)")
    apart = F.linear(patches, weight, module.bias).to(everywhere.dtype)
    result = rearrange(everywhere, "b d h w -> (b h w) d")
    result = result.index_copy(0, borders.pixels, apart)
    return rearrange(result, "(b h w) d -> b d h w", **parse_shape(features, "b _ h w"))


def by_places(
    module: nn.Conv2d, features: Float[Tensor, "b c h w"], same: Bool[Tensor, "b nine h w"]
) -> Float[Tensor, "b d h w"]:
    r"""The nine places of the kernel in turn: asks a device for nothing, where borders must."""
    height, width = features.shape[-2:]
    padded, result = F.pad(features, (1, 1, 1, 1)), None
    for place in range(9):
        y, x = divmod(place, 3)
        seen = padded[:, :, y : y + height, x : x + width] * same[:, place : place + 1]
        part = F.conv2d(
            seen, module.weight[:, :, y : y + 1, x : x + 1], module.bias if place == 0 else None
        )
        result = part if result is None else result + part
    return result


def same_class(labels: Integer[Tensor, "b h w"]):
    r"""3x3 convolutions ``(module, features)`` in which a pixel sees only its own label's pixels.

    What is known of the labels is found once, for all of them. A CPU finds the pixels at borders.
    Another device would have to be waited for to know how many there are, so it goes through the
    places of the kernel.
    """
    if labels.device.type == "cpu":
        borders = ClassBorders.of(labels)
        return lambda module, features: by_borders(module, features, borders)
    around = neighbours(labels.long())
    same = around == rearrange(labels.long(), "b h w -> (b h w) 1")
    same = rearrange(same, "(b h w) nine -> b nine h w", **parse_shape(labels, "b h w"))
    return lambda module, features: by_places(module, features, same)


def decoder_forward(
    decoder: ClassSpecificDecoder,
    features: Float[Tensor, "b c h w"],
    labels: Integer[Tensor, "b h w"],
) -> Float[Tensor, "b 3 h w"]:
    r"""The decoder's ``forward``, equal to the plain one: every class in the same pass."""
    convolve = same_class(labels)
    hidden = F.leaky_relu(convolve(decoder.hidden, features), 0.2)
    image = torch.tanh(convolve(decoder.out, hidden))
    known = (labels >= 0) & (labels < decoder.classes)
    return image * rearrange(known, "b h w -> b 1 h w")
