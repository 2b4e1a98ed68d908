r"""What all processes hold, stacked, with gradients that find their way back (chapter 09)."""

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed


class _Stacked(torch.autograd.Function):
    r"""A process's gradient is the sum of what all processes ask of its part."""

    @staticmethod
    def forward(context, own: Tensor) -> Tensor:
        parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        asked = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(asked)
        return asked.chunk(distributed.get_world_size())[distributed.get_rank()]


def stacked(own: Shaped[Tensor, "n *_"]) -> Shaped[Tensor, "m *_"]:
    r"""Every process's tensor, by rank, along the first axis; all must be of one shape."""
    return _Stacked.apply(own.contiguous())
