r"""Says where a number that is none came from, once a step has met one (chapter 09)."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn
from torch.autograd import grad
from torch.nn.utils import get_total_norm

from ecgan.method.batch import Batch
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
        gradients = grad(value, parameters, retain_graph=True, allow_unused=True)
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


def explain(
    make: Callable[[Batch, str], Terms],
    batches: Sequence[Batch],
    networks: Mapping[str, Sequence[nn.Parameter]],
) -> NonFiniteLoss:
    r"""The error for a step that failed, found by doing it again and looking at everything.

    ``make`` gives a network's terms of a batch anew; ``networks`` are those that have a number that
    is none, with their parameters. The run is over, so this may take its time.
    """
    named = {network: set() for network in networks}
    for network, parameters in networks.items():
        for batch in batches:
            try:
                terms = make(batch, network)
                _ = terms.total
            except NonFiniteLoss as error:
                return error
            named[network].update(culprits(terms, parameters))
    worst = max(named, key=lambda network: len(named[network]) > 0)
    return blame(worst, sorted(named[worst]))
