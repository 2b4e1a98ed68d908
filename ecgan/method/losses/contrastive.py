r"""Supervised pixel InfoNCE: pixels of one class together, of other classes apart (chapter 07).

Idea [A], form [S]; as in cross-image pixel contrast (Wang et al., ICCV 2021). With class-specific
generation it makes up the paper's *contrastive learning loss* [S]. Here: the formula on samples.
Which pixels are drawn, and from where: ``pixel_contrast``; what to look at: ``diagnostics``.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ecgan.method.layouts import IGNORE
from ecgan.method.losses.finite import full_precision, require_finite

MASKED = -1e9  # finite: -inf turns into NaN as soon as a whole row is masked


def unit(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    r"""Vectors of length 1, in float32 or better: squares of small numbers are 0 in float16.

    One shorter than 1e-6 has no direction: it becomes zero, with gradient zero.
    """
    vectors = full_precision(vectors)
    squared = reduce(vectors**2, "n d -> n 1", "sum")
    usable = squared > 1e-12
    return vectors * torch.where(usable, torch.where(usable, squared, 1).rsqrt(), 0)


def check_temperature(temperature: float | int) -> None:
    r"""Raise ``ValueError`` unless the temperature is above 0 and finite."""
    if not 0 < temperature < float("inf"):
        raise ValueError(
            f"contrastive loss: temperature {temperature}; it divides the similarities, so it must "
            "be above 0 (0.1 is usual, between 0.05 and 1 reasonable)."
        )


def pair_masks(
    query_labels: Int[Tensor, "n"],
    key_labels: Int[Tensor, "m"],
    *,
    allowed: Bool[Tensor, "n m"] | None = None,
    ignore: int = IGNORE,
) -> tuple[Bool[Tensor, "n m"], Bool[Tensor, "n m"]]:
    r"""Which pairs are positives (one class) and which negatives (two classes).

    A pair is neither where ``allowed`` is false or where either label is ``ignore``.
    """
    rows, columns = rearrange(query_labels, "n -> n 1"), rearrange(key_labels, "m -> 1 m")
    usable = (rows != ignore) & (columns != ignore)
    if allowed is not None:
        usable = usable & allowed
    same = rows == columns
    return usable & same, usable & ~same


def compare(queries, query_labels, keys, key_labels, allowed, ignore):
    r"""Cosine similarities "n m" and both masks; without ``keys``, the queries among themselves."""
    require_finite("contrastive", queries, *([] if keys is None else [keys]))
    queries = unit(queries)
    if keys is None:
        keys, key_labels = queries, query_labels
        different = ~torch.eye(len(queries), dtype=torch.bool, device=queries.device)
        allowed = different if allowed is None else allowed & different
    else:
        keys = unit(keys)
    with torch.autocast(queries.device.type, enabled=False):  # it would go back to half precision
        similarities = einsum(queries, keys, "n d, m d -> n m")
    masks = pair_masks(query_labels, key_labels, allowed=allowed, ignore=ignore)
    return similarities, *masks


def pixel_costs(
    queries: Float[Tensor, "n d"],
    query_labels: Int[Tensor, "n"],
    keys: Float[Tensor, "m d"] | None = None,
    key_labels: Int[Tensor, "m"] | None = None,
    *,
    temperature: float | int = 0.1,
    allowed: Bool[Tensor, "n m"] | None = None,
    ignore: int = IGNORE,
) -> tuple[Float[Tensor, "n"], Bool[Tensor, "n"]]:
    r"""$\ell_i$ of :func:`info_nce` for each query, 0 where it has no positive; and which have."""
    check_temperature(temperature)
    similarities, positive, negative = compare(
        queries, query_labels, keys, key_labels, allowed, ignore
    )
    positives = reduce(positive, "n m -> n", "sum")
    if similarities.numel() == 0:
        return reduce(similarities, "n m -> n", "sum"), positives > 0  # 0, and still on the graph
    logits = similarities / temperature
    repulsion = torch.logsumexp(torch.where(negative, logits, MASKED), dim=-1)
    terms = F.softplus(rearrange(repulsion, "n -> n 1") - logits)
    summed = reduce(torch.where(positive, terms, 0), "n m -> n", "sum")
    return summed / positives.clamp(min=1), positives > 0


def alone(tensor: Tensor) -> Tensor:
    r"""What one process gathers from all processes: its own."""
    return tensor


def mean_of_counted(
    costs: Float[Tensor, "n"],
    counted: Bool[Tensor, "n"],
    *,
    gather: Callable[[Tensor], Tensor] = alone,
) -> Float[Tensor, ""]:
    r"""The mean cost of the queries that count, 0 where none does.

    Of several processes each gets its share: the mean of the shares is the mean over the queries of
    all of them. ``gather`` stacks every process's tensor.
    """
    counts = gather(reduce(counted, "n -> 1", "sum"))
    return len(counts) * costs.sum() / counts.sum().clamp(min=1)


def info_nce(
    queries: Float[Tensor, "n d"],
    query_labels: Int[Tensor, "n"],
    keys: Float[Tensor, "m d"] | None = None,
    key_labels: Int[Tensor, "m"] | None = None,
    *,
    temperature: float | int = 0.1,
    allowed: Bool[Tensor, "n m"] | None = None,
    ignore: int = IGNORE,
) -> Float[Tensor, ""]:
    r"""Supervised InfoNCE over n queries and m keys, vectors of any length. [S], chapter 07.

    For a query $i$ with positives $P_i$ (keys of its class) and negatives $N_i$ (of others):

    $$\ell_i = \frac{1}{|P_i|} \sum_{j \in P_i} -\log
      \frac{e^{i \cdot j / \tau}}{e^{i \cdot j / \tau} + \sum_{n \in N_i} e^{i \cdot n / \tau}}$$

    after L2 normalisation, and the mean of $\ell_i$ over the queries that have a positive. Computed
    as $\mathrm{softplus}(\mathrm{logsumexp}_n(i \cdot n / \tau) - i \cdot j / \tau)$, in float32 or
    better. Time and memory: n times m.

    Without ``keys`` the queries are each other's keys, and none is its own positive. With them,
    say by ``allowed`` which pairs may meet (a query and itself must not). Labels equal to
    ``ignore`` take no part. Zero, with gradient zero, where no positive or no negative exists.

    Raises ``ValueError`` for a temperature not above 0, ``NonFiniteLoss`` for NaN or infinity.
    """
    costs, counted = pixel_costs(
        queries, query_labels, keys, key_labels,
        temperature=temperature, allowed=allowed, ignore=ignore,
    )  # fmt: skip
    return mean_of_counted(costs, counted)
