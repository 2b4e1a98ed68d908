r"""What every loss does with its inputs first: refuse NaN and infinity, leave half precision."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from jaxtyping import Float
from torch import Tensor

from ecgan.errors import EcganError

HALF = (torch.float16, torch.bfloat16)
_checks = ContextVar("checks", default=True)


class NonFiniteLoss(EcganError):
    r"""A loss was fed NaN or infinity; the message names the loss and the tensor."""


@contextmanager
def unchecked() -> Iterator[None]:
    r"""Within it no loss looks at its inputs, as each look waits for the device.

    For who looks once, at the end, at all that came out, as a training step does.
    """
    before = _checks.set(False)
    try:
        yield
    finally:
        _checks.reset(before)


def checks() -> bool:
    r"""True unless :func:`unchecked`: what a loss is fed is looked at."""
    return _checks.get()


def full_precision(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""float16 and bfloat16 as float32; float32 and float64 as they are."""
    return tensor.float() if tensor.dtype in HALF else tensor


def require_finite(loss: str, *tensors: Float[Tensor, "..."]) -> None:
    r"""Raise ``NonFiniteLoss`` unless every value of every tensor is finite, or :func:`unchecked`.

    Without this a NaN spreads through one backward pass into every weight, and the run is lost
    without a word. A sum is finite only if its terms are, so one reduction a tensor and one look
    at the device suffice; the exact (slower) test runs only when a sum is not finite.
    """
    if not tensors or not checks():
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
