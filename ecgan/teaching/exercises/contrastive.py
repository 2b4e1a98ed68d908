r"""Checkers of chapter 07, on the contrastive loss."""

import math

import torch

from ecgan.method.losses.contrastive import info_nce
from ecgan.teaching.exercises import NotYet, exercise, expect_close

KINDS = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
PLACES = torch.tensor([0, 0, 1, 0, 1, 1, 1, 0, 1, 2])


@exercise("contrastive.positives")
def positives(answer):
    result = answer(KINDS, PLACES)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise NotYet("two results are wanted: `return within, across`.")
    within, across = result
    for name, value, expected in (
        ("within", within, [1, 1, 0, 0, 2, 2, 2, 0, 0, 0]),
        ("across", across, [2, 2, 2, 3, 3, 3, 3, 2, 2, 2]),
    ):
        if value is not None and value is not ... and not isinstance(value, tuple | list):
            met = torch.as_tensor(value)
            if met.shape == (10,) and torch.equal(met.long(), torch.tensor(expected) + 1):
                raise NotYet(f"{name}: one too many everywhere. Does a pixel count itself?")
        hint = "Compare every pixel with every other, and count along the rows."
        if name == "across":
            hint += " Across all layouts includes the pixel's own."
        expect_close(value, expected, hint, what=f"the number of positives {name}")
    return "lone pixels have nobody within their layout, and friends elsewhere."


@exercise("contrastive.at_random")
def at_random(answer):
    for friends, strangers in ((1, 9), (20, 9), (3, 255)):
        value = answer(friends, strangers)
        expected = math.log(1 + strangers)
        if value is not None and value is not ... and not isinstance(value, str):
            met = float(value)
            if math.isclose(met, 1 + strangers, rel_tol=1e-4):
                raise NotYet("the candidates are counted rightly; the loss is the log of that.")
            if math.isclose(met, math.log(strangers), rel_tol=1e-4):
                raise NotYet(
                    "log of the negatives alone. The positive itself stands in the fraction's "
                    "denominator too."
                )
            if friends > 1 and math.isclose(met, math.log(friends + strangers), rel_tol=1e-4):
                raise NotYet(
                    "you count all positives. Each positive plays a quiz of its own: one friend "
                    "against all strangers. The other positives are not in the denominator."
                )
        hint = "Put 0 for every similarity into the fraction: what is left of each exponential?"
        expect_close(value, expected, hint, what=f"the value for {friends} and {strangers}")
    return "log(1 + negatives), however many positives there are."


@exercise("contrastive.break_it")
def break_it(answer):
    labels = torch.as_tensor(answer)
    if labels.shape != (8,) or labels.is_floating_point():
        raise NotYet(
            f"eight whole numbers are wanted, met shape {tuple(labels.shape)} of {labels.dtype}."
        )
    sizes = torch.unique(labels, return_counts=True)[1]
    if (sizes == 1).any():
        lone = int((sizes == 1).sum())
        said = "one pixel is" if lone == 1 else f"{lone} pixels are"
        return f"{said} alone of the class, and 0 divided by 0 spoils the mean of all."
    if len(sizes) == 1:
        raise NotYet("one class only: nobody to be told apart from, and the loss is 0, not NaN.")
    raise NotYet(
        f"your classes have {sizes.tolist()} pixels, and `textbook` gives a number. By which count "
        "does it divide, and when is that count 0?"
    )


def cases():
    r"""Samples, classes, temperature, what is special, and what to look at if it fails."""
    samples = torch.randn(8, 6, generator=torch.Generator().manual_seed(7))
    pairs = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    uneven = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
    lone = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])
    yield samples, pairs, 0.1, "for pairs", "Start from the formula: softplus(repulsion - logits)."
    yield (
        samples, uneven, 0.1, "for classes of different size",
        "First the mean over a query's positives, then the mean over the queries.",
    )  # fmt: skip
    yield (
        samples, lone, 0.1, "with a lone pixel",
        "A query without positives must not count: divide by the queries that have one.",
    )  # fmt: skip
    yield (
        samples, pairs, 0.005, "at temperature 0.005",
        "Never form an exponential: logsumexp and softplus do without.",
    )  # fmt: skip
    yield (
        samples, torch.zeros_like(pairs), 0.1, "for one class only",
        "Nobody to be told apart from: the loss is 0. What does your mask leave of such a row?",
    )  # fmt: skip


@exercise("contrastive.steady")
def steady(answer):
    for samples, kinds, temperature, case, hint in cases():
        results = []
        for loss in (answer, lambda x, ids, tau: info_nce(x, ids, temperature=tau)):
            leaf = samples.clone().requires_grad_()
            value = loss(leaf, kinds, temperature)
            if loss is answer:
                expected = info_nce(samples, kinds, temperature=temperature)
                expect_close(value, expected, hint, what=f"the loss {case}")
            if not isinstance(value, torch.Tensor) or not value.requires_grad:
                raise NotYet("the loss has no gradient; keep it a tensor (no float, no .item()).")
            results.append(torch.autograd.grad(value, leaf)[0])
        expect_close(*results, hint, what=f"the gradient {case}")
    return "value and gradient hold, with lone pixels, tiny temperatures and a single class."
