r"""Checkers of chapter 08, on the full objective."""

from dataclasses import asdict, replace

import torch

from ecgan.config import Config
from ecgan.method.losses.adversarial import hinge_discriminator, hinge_generator
from ecgan.presets import preset
from ecgan.teaching.exercises import NotYet, exercise, expect_close
from ecgan.teaching.failures import FAULTS, HIDDEN


@exercise("objective.hinge")
def hinge(answer):
    dice = torch.Generator().manual_seed(8)
    sizes = (11, 7)
    real, made = (
        [2 * torch.randn(2, 1, size, size, generator=dice) for size in sizes] for _ in range(2)
    )
    result = answer(real, made)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise NotYet("two losses are wanted: `return discriminator, generator`.")
    discriminator, generator = result
    scales = [[[scores] for scores in maps] for maps in (real, made)]
    parts = [
        hinge_discriminator(maps, real=is_real) for maps, is_real in zip(scales, (True, False))
    ]
    swapped = sum(
        hinge_discriminator(maps, real=is_real) for maps, is_real in zip(scales, (False, True))
    )
    if torch.isclose(torch.as_tensor(discriminator).float(), swapped, rtol=1e-4):
        raise NotYet(
            "the discriminator's signs are the wrong way round: it wants real scores *above* 1."
        )
    if torch.isclose(torch.as_tensor(discriminator).float(), 2 * sum(parts), rtol=1e-4):
        raise NotYet("the scales are added up. The mean over scales is wanted.")
    hint = (
        "max(0, 1 - real) and max(0, 1 + made), each a mean over a scale's patches, then over "
        "scales; then add the two."
    )
    expect_close(discriminator, sum(parts), hint, what="the discriminator's loss")
    hint = "Minus the mean score of the made pictures, over patches, then over scales. No hinge."
    expect_close(generator, hinge_generator(scales[1]), hint, what="the generator's loss")
    return "the discriminator stops at its margins, the generator never does."


@exercise("objective.clueless")
def clueless(answer):
    for weights in ((1, 1, 2), (0.5, 3, 1)):
        result = answer(*weights)
        if not isinstance(result, tuple | list) or len(result) != 3:
            raise NotYet("three numbers are wanted: `return real, made, adversarial`.")
        real, made, adversarial = result
        hint = "What is max(0, 1 - 0)? Then weigh it, once for each modality."
        expect_close(real, float(sum(weights)), hint, what="the loss on real pictures")
        hint = "What is max(0, 1 + 0)? Then weigh it, once for each modality."
        expect_close(made, float(sum(weights)), hint, what="the loss on made pictures")
        hint = "The generator has no hinge: minus the mean of scores that are all 0."
        expect_close(adversarial, 0.0, hint, what="the adversarial loss")
    return "with weights 1, 1 and 2 a clueless discriminator pays 4 and 4."


@exercise("objective.weights")
def weights(answer):
    if not isinstance(answer, Config):
        kind = type(answer).__name__
        raise NotYet(f"met a {kind}; hand in a whole config: `replace(preset('toy'), losses=...)`.")
    toy = preset("toy")
    if answer == toy:
        raise NotYet("nothing is changed yet. Which three values differ from the toy's?")
    losses = answer.losses
    if losses.similarity != 0:
        raise NotYet(f"similarity has weight {losses.similarity:g}; a weight of 0 switches it off.")
    if losses.final == losses.edge + losses.first == 2:
        raise NotYet("final is 2. If edge and first had 4 each, they would count 8 together.")
    if (losses.edge, losses.first) != (toy.losses.edge, toy.losses.first):
        raise NotYet(
            f"edge is {losses.edge:g} and first {losses.first:g}; they were to stay at 1: only "
            "the final image's weight changes."
        )
    if losses.final != 8:
        raise NotYet(f"final is {losses.final:g}. What do two weights of 4 count together?")
    if losses.contrastive == 0:
        raise NotYet("the contrastive loss is off; it was to stay, but to compare within layouts.")
    if losses.contrast.across_layouts:
        raise NotYet("contrast.across_layouts is still True; `replace` the contrast config too.")
    wanted = replace(
        toy,
        losses=replace(
            toy.losses,
            final=8,
            similarity=0,
            contrast=replace(toy.losses.contrast, across_layouts=False),
        ),
    )
    changed = [name for name, part in asdict(answer).items() if part != asdict(wanted)[name]]
    if changed:
        raise NotYet(f"something else changed, in {changed[0]}. Start from preset('toy').")
    return "one frozen config says all that differs between two experiments."


@exercise("objective.faults")
def faults(answer):
    if not isinstance(answer, dict) or set(answer) != set(HIDDEN):
        raise NotYet(f"a dictionary with the keys {', '.join(HIDDEN)} is wanted.")
    if all(value is ... for value in answer.values()):
        raise NotYet("nothing is filled in. Replace each `...` by a fault's name.")
    clues = {
        "no example": "the discriminator tells real from made, and yet the distance leaps at "
        "first. What is the generator not shown?",
        "fast discriminator": "real and made have the same score, and it swings. Who changes its "
        "mind too fast?",
        "no adversarial loss": "the scores do not move at all. Who is never trained?",
    }
    for run, value in answer.items():
        if value is ...:
            raise NotYet(f"run {run} has no name yet.")
        if value not in FAULTS:
            raise NotYet(f"run {run}: there is no fault {value!r}; there are {', '.join(FAULTS)}.")
        if value != (fault := HIDDEN[run][0]):
            raise NotYet(f"run {run} is not {value!r}. Look again: {clues[fault]}")
    return "three runs read from their curves alone."
