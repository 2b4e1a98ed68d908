r"""Typical wrong answers to the exercises of the primer, and the hint that each must get."""

import torch
import torch.nn.functional as F


def _slope_of_the_mean(discriminator, points):
    points = points.detach().requires_grad_()
    return torch.autograd.grad(discriminator(points).mean(), points)[0]


def _downhill(discriminator, points):
    points = points.detach().requires_grad_()
    return torch.autograd.grad(-discriminator(points).sum(), points)[0]


WRONG = {
    "primer.safest": [
        (lambda points: points.mean(), "has shape ()"),
        (lambda points: points.median(dim=0).values, "Set the derivative"),
        (lambda points: points[0], "Set the derivative"),
    ],
    "primer.hinge": [
        (lambda real, made: F.relu(1 + real).mean() + F.relu(1 - made).mean(), "are swapped"),
        (lambda real, made: (1 - real).mean() + (1 + made).mean(), "costs nothing"),
        (lambda real, made: F.relu(1 - real).sum() + F.relu(1 + made).sum(), "take means"),
        (lambda real, made: F.relu(1 - real) + 0 * made.mean(), "has shape (40,)"),
    ],
    "primer.push": [
        (_slope_of_the_mean, "Take the sum"),
        (_downhill, "leave the minus"),
        (lambda discriminator, points: discriminator(points), "has shape (6, 1)"),
    ],
    "primer.tame": [
        (lambda weight: weight / weight.norm(), "shrinks far too much"),
        (lambda weight: weight / weight.abs().max(), "stretched by several"),
        (lambda weight: weight, "Divide by the largest singular value"),
    ],
}
