r"""What the contrastive loss sees: pairs, similarities, its value at random (chapter 07)."""

from dataclasses import dataclass

import torch
from einops import reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ecgan.method.layouts import IGNORE
from ecgan.method.losses.contrastive import check_temperature, compare, info_nce


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
