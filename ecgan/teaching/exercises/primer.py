r"""Checkers of the primer."""

import torch
import torch.nn.functional as F
from einops import einsum, reduce

from ecgan.teaching.exercises import NotYet, exercise, expect_close


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@exercise("primer.safest")
def safest(answer):
    points = _random(50, 2) + torch.tensor([3.0, -1.0])
    expect_close(
        answer(points),
        reduce(points, "n d -> d", "mean"),
        "Set the derivative of the sum of (c - x)² to zero. The answer has the shape (2,).",
        what="the safest point",
    )
    return "the mean. Squared distance asks for means, and means are blurred."


@exercise("primer.hinge")
def hinge(answer):
    real, made = 2 * _random(40), 2 * _random(500, 1, seed=1)
    wanted = F.relu(1 - real).mean() + F.relu(1 + made).mean()
    met = answer(real, made)
    hint = "The mean of max(0, 1 - score) over real ones, plus that of max(0, 1 + score) over made."
    if isinstance(met, float) or (isinstance(met, torch.Tensor) and not met.ndim):
        slips = {
            F.relu(1 + real).mean() + F.relu(1 - made).mean(): "Real and made are swapped.",
            (1 - real).mean() + (1 + made).mean(): "Beyond the margin it costs nothing: max(0, …).",
            F.relu(1 - real).sum() + F.relu(1 + made).sum(): "These are sums; take means.",
        }
        near = [said for value, said in slips.items() if abs(float(met) - float(value)) < 1e-3]
        hint = near[0] if near else hint
    expect_close(met, wanted, hint, what="the hinge loss")
    return "a discriminator that answers 0 to everything pays 2 here. Why?"


@exercise("primer.push")
def push(answer):
    points, goal = _random(6, 2), torch.tensor([1.0, -2.0])

    def hill(places: torch.Tensor) -> torch.Tensor:
        return reduce(-((places - goal) ** 2), "n d -> n 1", "sum")

    wanted = 2 * (goal - points)
    met = answer(hill, points)
    if isinstance(met, torch.Tensor) and met.shape == wanted.shape:
        if torch.allclose(met, -wanted, atol=1e-4):
            raise NotYet("that is downhill. The generator wants a higher score: leave the minus.")
        if torch.allclose(met * len(points), wanted, atol=1e-4):
            raise NotYet("six times too short: that is the slope of the mean. Take the sum.")
    expect_close(
        met,
        wanted,
        "For each point, the gradient of its own score with respect to the point.",
        what="the push",
    )
    return "on a hill, every push points at its top."


@exercise("primer.tame")
def tame(answer):
    weight = _random(7, 4)
    largest = torch.linalg.svdvals(weight).max()
    met = answer(weight.clone())
    if isinstance(met, torch.Tensor) and met.shape == weight.shape:
        if torch.allclose(met, weight / weight.norm()):
            raise NotYet("that divides by the length of all weights, which shrinks far too much.")
        if torch.allclose(met, weight / weight.abs().max()):
            raise NotYet("the largest weight is 1 now, but a vector can be stretched by several.")
    expect_close(
        met,
        weight / largest,
        "Divide by the largest singular value; `torch.linalg.svdvals` lists them.",
        what="the tamed matrix",
    )
    vector = F.normalize(_random(4, seed=2), dim=0)
    stretched = einsum(met, vector, "i j, j -> i").norm()
    return f"a vector of length 1 came out with length {stretched:.2f}, and none above 1 will."
