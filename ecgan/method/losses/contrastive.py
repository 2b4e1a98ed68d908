r"""Supervised pixel InfoNCE: pixels of one class together, of other classes apart (chapter 07).

Idea [A], form [P] (cross-image pixel contrast, Wang et al., ICCV 2021). Here: the formula on
samples, and what to look at. Which pixels are drawn, and from where: ``pixel_contrast``.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ecgan.method.layouts import IGNORE
from ecgan.method.losses.finite import full_precision, require_finite

MASKED = -1e9  # finite: -inf turns into NaN as soon as a whole row is masked


def unit(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    r"""Vectors of length 1. One shorter than 1e-6 has no direction: zero, with gradient zero."""
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
    queries = unit(full_precision(queries))
    if keys is None:
        keys, key_labels = queries, query_labels
        different = ~torch.eye(len(queries), dtype=torch.bool, device=queries.device)
        allowed = different if allowed is None else allowed & different
    else:
        keys = unit(full_precision(keys))
    with torch.autocast(queries.device.type, enabled=False):  # it would go back to half precision
        similarities = einsum(queries, keys, "n d, m d -> n m")
    masks = pair_masks(query_labels, key_labels, allowed=allowed, ignore=ignore)
    return similarities, *masks


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
    r"""Supervised InfoNCE over n queries and m keys, vectors of any length. [P], chapter 07.

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
    check_temperature(temperature)
    similarities, positive, negative = compare(
        queries, query_labels, keys, key_labels, allowed, ignore
    )
    if similarities.numel() == 0:
        return similarities.sum()  # 0, and still on the graph
    logits = similarities / temperature
    repulsion = torch.logsumexp(torch.where(negative, logits, MASKED), dim=-1)
    terms = F.softplus(rearrange(repulsion, "n -> n 1") - logits)
    positives = reduce(positive, "n m -> n", "sum")
    per_query = reduce(torch.where(positive, terms, 0), "n m -> n", "sum") / positives.clamp(min=1)
    return per_query.sum() / (positives > 0).sum().clamp(min=1)


def expected_at_random(
    negatives: Int[Tensor, "n"], *, dim: int | None = None, temperature: float | int | None = None
) -> float:
    r"""The value of ``info_nce`` at random embeddings, for queries with so many negatives. Ch. 07.

    Random directions in many dimensions are orthogonal: every similarity is about 0, every
    exponential about 1, so a query costs $\log(1 + |N_i|)$. At a finite ``dim`` $d$ and a small
    ``temperature`` $\tau$ the spread of the similarities (variance $1/d$) counts: a negative
    contributes, on average over the sphere,
    $E[e^{i \cdot n / \tau}] = {}_0F_1(; d/2; 1/(4\tau^2)) \approx e^{1/(2 d \tau^2)}$; give both to
    have the corrected value $\log(1 + |N_i| E)$, which is close where negatives are many.
    """
    if len(negatives) == 0:
        return 0.0
    mean_exponential = 1.0
    if dim is not None and temperature is not None:
        check_temperature(temperature)
        z, term, order = 1 / (4 * temperature**2), 1.0, 0
        while term > 1e-12 * mean_exponential:
            term *= z / ((order + 1) * (dim / 2 + order))
            mean_exponential, order = mean_exponential + term, order + 1
    return float(torch.log1p(negatives.double() * mean_exponential).mean())


@dataclass(frozen=True, eq=False, kw_only=True)
class ContrastDiagnostics:
    r"""What the loss saw; every field detached. Histograms are counts over ``edges`` in [-1, 1]."""

    value: float
    expected_at_random: float  # mean over the queries that have a positive, for this dim
    positives: Int[Tensor, "n"]
    negatives: Int[Tensor, "n"]
    edges: Float[Tensor, "bins_and_one"]
    positive_histogram: Float[Tensor, "bins"]
    negative_histogram: Float[Tensor, "bins"]


@torch.no_grad()
def diagnose(
    queries: Float[Tensor, "n d"],
    query_labels: Int[Tensor, "n"],
    keys: Float[Tensor, "m d"] | None = None,
    key_labels: Int[Tensor, "m"] | None = None,
    *,
    temperature: float | int = 0.1,
    allowed: Bool[Tensor, "n m"] | None = None,
    ignore: int = IGNORE,
    bins: int = 40,
) -> ContrastDiagnostics:
    r"""Positives and negatives a query, similarity histograms, value against value at random."""
    value = info_nce(
        queries, query_labels, keys, key_labels,
        temperature=temperature, allowed=allowed, ignore=ignore,
    )  # fmt: skip
    similarities, positive, negative = compare(
        queries, query_labels, keys, key_labels, allowed, ignore
    )
    positives, negatives = (reduce(mask, "n m -> n", "sum") for mask in (positive, negative))
    similarities = similarities.float().cpu().clamp(-1, 1)  # rounding may leave [-1, 1]
    histograms = [
        torch.histc(similarities[mask.cpu()], bins=bins, min=-1, max=1)
        for mask in (positive, negative)
    ]
    return ContrastDiagnostics(
        value=float(value),
        expected_at_random=expected_at_random(
            negatives[positives > 0], dim=queries.shape[-1], temperature=temperature
        ),
        positives=positives,
        negatives=negatives,
        edges=torch.linspace(-1, 1, bins + 1),
        positive_histogram=histograms[0],
        negative_histogram=histograms[1],
    )
