r"""Typical wrong answers to the exercises of chapter 08."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from ecgan.presets import preset

TOY = preset("toy")


def losses(real, made, *, signs=(-1, 1), scales=2):
    parts = [
        sum(F.relu(1 + sign * scores).mean() for scores in maps) / scales
        for sign, maps in zip(signs, (real, made))
    ]
    return sum(parts), -sum(scores.mean() for scores in made) / scales


def all_patches_at_once(real, made):
    real, made = (torch.cat([scores.flatten() for scores in maps]) for maps in (real, made))
    return F.relu(1 - real).mean() + F.relu(1 + made).mean(), -made.mean()


def hinge_for_both(real, made):
    critic, _ = losses(real, made)
    return critic, sum(F.relu(1 - scores).mean() for scores in made) / 2


def with_losses(**changes):
    return replace(TOY, losses=replace(TOY.losses, **changes))


WITHIN = replace(TOY.losses.contrast, across_layouts=False)
WRONG = {
    "objective.hinge": [
        (lambda r, m: losses(r, m, signs=(1, -1)), "signs are the wrong way round"),
        (lambda r, m: losses(r, m, scales=1), "The mean over scales is wanted"),
        (all_patches_at_once, "each a mean over a scale's patches"),
        (hinge_for_both, "No hinge"),
    ],
    "objective.clueless": [
        (lambda e, f, g: (0, 0, 0), "What is max(0, 1 - 0)?"),
        (lambda e, f, g: (3, 3, 0), "once for each modality"),
        (lambda e, f, g: (e + f + g, e + f + g, -(e + f + g)), "The generator has no hinge"),
    ],
    "objective.weights": [
        (with_losses(similarity=0.0, contrast=WITHIN), "they would count 8 together"),
        (with_losses(final=8.0, contrast=WITHIN), "a weight of 0 switches it off"),
        (with_losses(final=8.0, similarity=0.0), "across_layouts is still True"),
        (
            with_losses(final=8.0, edge=4.0, first=4.0, similarity=0.0, contrast=WITHIN),
            "to stay at 1",
        ),
        (with_losses(final=8.0, similarity=0.0, perceptual=0.0, contrast=WITHIN), "in losses"),
        (TOY.losses, "hand in a whole config"),
        (TOY, "nothing is changed yet"),
    ],
    "objective.faults": [
        (
            {"A": "shifted labels", "B": "fast discriminator", "C": "no adversarial loss"},
            "What is the generator not",
        ),
        (
            {"A": "no example", "B": "no adversarial loss", "C": "fast discriminator"},
            "same score, and it swings",
        ),
        (
            {"A": "no example", "B": "fast discriminator", "C": "too slow"},
            "there is no fault 'too slow'",
        ),
        ({"A": "no example"}, "a dictionary with the keys A, B, C"),
    ],
}
