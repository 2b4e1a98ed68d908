r"""The semantic preserving module with a wide layout's share looked up, not convolved (05)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ecgan.fast.known_layout import KnownLayout
from ecgan.fast.memory_order import leak_
from ecgan.method.semantic_preserving import SemanticPreservingModule

WIDE = 16  # channels of a layout above which looking them up beats convolving them


def forward(
    module: SemanticPreservingModule, *parts: Float[Tensor, "b _ h w"], known: KnownLayout
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b k h w"], Float[Tensor, "b k"]]:
    r"""The final image, the class maps before gating, the gates; ``parts`` end with the layout."""
    maps = _class_maps(module, parts, known)
    gates = module.gate(maps)
    gated = (maps * rearrange(gates, "b k -> b k 1 1")).add_(maps)
    x = module.from_classes(leak_(gated))
    return torch.tanh(module.to_image(leak_(x))), maps, gates


def _class_maps(module: SemanticPreservingModule, parts: tuple, known: KnownLayout) -> Tensor:
    *pictures, semantics = parts
    layout = known.of(semantics)
    wide = pictures and semantics.shape[1] > WIDE
    distinct = layout.neighbourhoods(*semantics.shape[-2:]) if wide else None
    if distinct is None:
        return module.to_classes(leak_(torch.cat([*pictures, layout.full], dim=1)))
    x = leak_(torch.cat(pictures, dim=1))
    own, rest = module.to_classes.weight.tensor_split([x.shape[1]], dim=1)
    # A layout is its own LeakyReLU: it holds nothing below 0.
    return F.conv2d(x, own, module.to_classes.bias, padding=1).add_(distinct.convolve(rest))
