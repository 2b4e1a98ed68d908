r"""Checkers of chapter 06, on the similarity loss."""

import torch
import torch.nn.functional as F
from einops import rearrange

from ecgan.method.losses.similarity import affinity, affinity_bce, pair_cost
from ecgan.teaching.exercises import NotYet, exercise, expect_close


def reading(*, images: int = 2, classes: int = 4, height: int = 6, width: int = 5):
    r"""Probabilities that mostly agree with their labels; both drawn from a fixed seed."""
    dice = torch.Generator().manual_seed(6)
    labels = torch.randint(classes, (images, height, width), generator=dice)
    right = rearrange(F.one_hot(labels, classes), "b h w k -> b k h w").double()
    scores = torch.randn(images, classes, height, width, generator=dice, dtype=torch.double)
    return (scores + 3 * right).softmax(dim=1), labels


@exercise("similarity.affinity")
def affinity_in_one_line(answer):
    probabilities, _ = reading()
    hint = (
        "First join the axes h and w into one, then sum the products over the class axis k alone; "
        "b, m and n stay."
    )
    expect_close(answer(probabilities), affinity(probabilities), hint, what="the affinity map")
    return "an axis that is in both inputs and not in the output is summed over: here, the classes."


@exercise("similarity.unbiased")
def unbiased(answer):
    probabilities, labels = reading(images=1, height=3, width=3)
    ids = rearrange(labels, "1 h w -> (h w)")
    same = rearrange(ids, "m -> m 1") == rearrange(ids, "n -> 1 n")
    costs = pair_cost(rearrange(affinity(probabilities), "1 m n -> m n"), same)
    result = answer(costs, 8)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise NotYet("two numbers are wanted, the mean and the variance: `return mean, variance`.")
    mean, variance = result
    expect_close(
        mean,
        affinity_bce(probabilities, labels),
        "Each ordered pair comes with the same chance, a pixel with itself included.",
        what="the mean",
        tolerance=1e-6,
    )
    spread = (costs - costs.mean()).square().mean()
    if torch.isclose(torch.as_tensor(variance).double(), spread):
        raise NotYet("that is the variance of one draw. What does averaging 8 draws do to it?")
    if torch.isclose(torch.as_tensor(variance).double(), costs.var() / 8):
        raise NotYet(
            "you divided by the number of pairs minus one, as for an estimate from a sample. These "
            "are all pairs there are: divide by their number (`correction=0`)."
        )
    expect_close(
        variance,
        spread / 8,
        "The mean squared distance from the mean, over all pairs; then divided by the draws.",
        what="the variance",
        tolerance=1e-6,
    )
    return "the mean of a draw is the exact loss, and the error falls with the draws alone."


@exercise("similarity.rename")
def rename(answer):
    probabilities, labels = reading(images=2, height=8, width=8)
    spoilt = answer(probabilities.clone())
    hint = "Give back a tensor of the same shape."
    expect_close(spoilt * 0, probabilities * 0, hint, what="the spoilt reading")
    sums = spoilt.sum(dim=1)
    if spoilt.min() < 0 or not torch.allclose(sums, torch.ones_like(sums)):
        raise NotYet(
            "these are no probabilities any more: at every pixel they must be 0 or more, and sum "
            "to 1 over the classes (dim=1)."
        )
    before, after = (affinity_bce(p, labels).item() for p in (probabilities, spoilt))
    if abs(after - before) > 1e-6:
        raise NotYet(
            f"the affinity loss went from {before:.4f} to {after:.4f}. It must stay: leave the "
            "pixels where they are, and change only what the classes are called."
        )
    before, after = (F.nll_loss(p.clamp(min=1e-12).log(), labels) for p in (probabilities, spoilt))
    if after < before + 1:
        raise NotYet(
            f"cross-entropy went from {before:.2f} to {after:.2f}, which is not far larger. Give "
            "every class another's name."
        )
    return f"cross-entropy {before:.2f} became {after:.2f}, and affinity is blind to names."


@exercise("similarity.shares")
def shares(answer):
    for p in (0.01, 0.3):
        result = answer(p)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise NotYet("two shares are wanted: `return takes_part, both`.")
        part, both = result
        expect_close(both, p**2, "Both pixels, drawn independently.", what="the share of both")
        if torch.isclose(torch.as_tensor(part), torch.tensor(2 * p)):
            raise NotYet(
                "2f counts the pairs in which both pixels are of the class twice. What is the "
                "chance that neither is?"
            )
        if torch.isclose(torch.as_tensor(part), torch.tensor(2 * p * (1 - p))):
            raise NotYet(
                "that is the share with exactly one pixel of the class; where both are of it, it "
                "takes part as well."
            )
        hint = "It takes part unless neither pixel is of the class."
        expect_close(part, 1 - (1 - p) ** 2, hint, what="the share in which it takes part")
    return "a class of one percent is in two percent of the pairs, and with its own in 0.01 %."
