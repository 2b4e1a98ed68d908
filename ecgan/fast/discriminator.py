r"""All pictures of a batch of layouts judged in one pass, the layouts read once (chapter 08).

The first convolution is linear: the layouts' share of it is the same for every picture.
"""

import torch
import torch.nn.functional as F
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from ecgan.fast.memory_order import channels_last, leak_
from ecgan.method.discriminator import Discriminator, PatchDiscriminator, half


def discriminate(
    discriminator: Discriminator, semantics: Tensor, pictures: dict[str, Tensor]
) -> dict[str, list[list[Tensor]]]:
    r"""Each picture's result from one joint pass: the same, as no layer mixes a batch."""
    for picture in pictures.values():
        discriminator._check(semantics, picture)
    layout = channels_last(semantics)
    x = torch.cat([channels_last(picture) for picture in pictures.values()])
    results = []
    for scale in discriminator.scales:
        results.append([layer.chunk(len(pictures)) for layer in _joint(scale, layout, x)])
        layout, x = half(layout), half(x)
    return {
        name: [[layer[index] for layer in layers] for layers in results]
        for index, name in enumerate(pictures)
    }


def _joint(
    scale: PatchDiscriminator, layout: Float[Tensor, "b s h w"], pictures: Float[Tensor, "mb 3 h w"]
) -> list[Tensor]:
    r"""One scale's layers for m pictures of each layout, in the order "(m b)"."""
    entry = scale.entry
    of_layout, of_picture = entry.weight.tensor_split([layout.shape[1]], dim=1)
    read = F.conv2d(layout, of_layout, entry.bias, entry.stride, entry.padding)
    own = F.conv2d(pictures, of_picture, None, entry.stride, entry.padding)
    return _after_entry(
        scale, own + repeat(read, "b d h w -> (m b) d h w", m=len(own) // len(read))
    )


def patch_forward(scale: PatchDiscriminator, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
    r"""Every layer's output, with maps written over that nobody else needs."""
    return _after_entry(scale, scale.entry(x))


def _after_entry(scale: PatchDiscriminator, x: Tensor) -> list[Tensor]:
    outputs = [leak_(x)]
    for conv in scale.middle:
        outputs.append(leak_(F.instance_norm(conv(outputs[-1]))))
    return [*outputs, scale.score(outputs[-1])]
