r"""What every loss does with its inputs first: refuse NaN and infinity, leave half precision."""

import torch
from jaxtyping import Float
from torch import Tensor

from ecgan.errors import EcganError

HALF = (torch.float16, torch.bfloat16)


class NonFiniteLoss(EcganError):
    r"""A loss was fed NaN or infinity; the message names the loss and the tensor."""


def full_precision(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""float16 and bfloat16 as float32; float32 and float64 as they are."""
    return tensor.float() if tensor.dtype in HALF else tensor


def require_finite(loss: str, *tensors: Float[Tensor, "..."]) -> None:
    r"""Raise ``NonFiniteLoss`` unless every value of every tensor is finite.

    Without this a NaN spreads through one backward pass into every weight, and the run is lost
    without a word. A sum is finite only if its terms are, so one reduction a tensor and one look
    at the device suffice; the exact (slower) test runs only when a sum is not finite.
    """
    if not tensors:
        return
    with torch.no_grad():
        sums = torch.stack([full_precision(tensor).sum().float() for tensor in tensors])
        if torch.isfinite(sums).all():
            return
        for position, tensor in enumerate(tensors):
            nans, infinities = int(tensor.isnan().sum()), int(tensor.isinf().sum())
            if nans or infinities:
                raise NonFiniteLoss(
                    f"{loss} loss: input {position} of shape {tuple(tensor.shape)} holds "
                    f"{nans} NaN and {infinities} infinite of {tensor.numel()} values; only finite "
                    "values are allowed. Look at the step before: a learning rate too high, a "
                    "float16 overflow (use bfloat16 or a gradient scaler), or a broken image file."
                )
