r"""Typical wrong answers to the exercises of chapter 07."""

import math

import torch
import torch.nn.functional as F
from einops import einsum, rearrange


def with_itself(kind, place):
    same = rearrange(kind, "n -> n 1") == rearrange(kind, "m -> 1 m")
    near = rearrange(place, "n -> n 1") == rearrange(place, "m -> 1 m")
    return (same & near).sum(dim=1), same.sum(dim=1)


def only_elsewhere(kind, place):
    same = rearrange(kind, "n -> n 1") == rearrange(kind, "m -> 1 m")
    near = rearrange(place, "n -> n 1") == rearrange(place, "m -> 1 m")
    return (same & near).sum(dim=1) - 1, (same & ~near).sum(dim=1)


def loss(points, kind, tau, *, masked=-1e9, exponentials=False, lone_counts=False, joint=False):
    unit = F.normalize(points, dim=1)
    logits = einsum(unit, unit, "n d, m d -> n m") / tau
    same = rearrange(kind, "n -> n 1") == rearrange(kind, "m -> 1 m")
    positive = same & ~torch.eye(len(kind), dtype=torch.bool)
    if exponentials:
        strangers = torch.where(same, 0, logits.exp()).sum(dim=1, keepdim=True)
        terms = -(logits.exp() / (logits.exp() + strangers)).log()
    else:
        terms = F.softplus(torch.where(same, masked, logits).logsumexp(1, keepdim=True) - logits)
    terms = torch.where(positive, terms, 0)
    if joint:
        return terms.sum() / positive.sum().clamp(min=1)
    per_query = terms.sum(dim=1) / positive.sum(dim=1).clamp(min=1)
    return per_query.mean() if lone_counts else per_query.sum() / positive.any(1).sum().clamp(min=1)


WRONG = {
    "contrastive.positives": [
        (with_itself, "Does a pixel count itself?"),
        (only_elsewhere, "Across all layouts includes the pixel's own."),
        (lambda kind, place: with_itself(kind, place)[0], "two results are wanted"),
    ],
    "contrastive.at_random": [
        (lambda p, n: 1 + n, "the loss is the log of that"),
        (lambda p, n: math.log(n), "The positive itself"),
        (lambda p, n: math.log(p + n), "Each positive plays a quiz of its own"),
        (lambda p, n: 0.0, "Put 0 for every similarity into the fraction"),
    ],
    "contrastive.break_it": [
        (torch.zeros(8, dtype=torch.long), "one class only"),
        (torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]), "when is that count 0?"),
        (torch.tensor([0, 1, 2]), "eight whole numbers are wanted"),
    ],
    "contrastive.steady": [
        (lambda *x: loss(*x, exponentials=True), "Never form an exponential"),
        (lambda *x: loss(*x, lone_counts=True), "divide by the queries that have one"),
        (lambda *x: loss(*x, masked=0.0), "Start from the formula"),
        (lambda *x: loss(*x, joint=True), "First the mean over a query's positives"),
        (lambda *x: loss(*x).item(), "the loss has no gradient"),
    ],
}
