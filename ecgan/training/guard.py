r"""Stops a run at the first number that is none, and names where it came from (chapter 09)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.method.losses.objective import Terms


class NonFiniteGradient(NonFiniteLoss):
    r"""A gradient holds NaN or infinity; the message names the term it comes from."""


def gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    r"""The length of all gradients as one vector; not finite where one of them is not."""
    return get_total_norm([p.grad for p in parameters if p.grad is not None])


def culprits(terms: Terms, parameters: Sequence[nn.Parameter]) -> list[str]:
    r"""The terms whose own gradient is not finite; needs the graph that ``terms`` came from."""
    found = []
    for name, value in terms.weighted.items():
        if not value.requires_grad:
            continue
        gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        if not all(g.isfinite().all() for g in gradients if g is not None):
            found.append(name)
    return found


def blame(network: str, named: Sequence[str]) -> NonFiniteGradient:
    r"""The error that stops the run; ``named`` may be empty where no single term is at fault."""
    source = f"the term {', '.join(named)}" if named else "no single term: only their sum is"
    return NonFiniteGradient(
        f"the {network}'s gradient is not finite; it comes from {source}. Lower its weight or the "
        f'learning rate; with precision "fp16" try "bf16" or "fp32"; and look at the last batch'
    )
