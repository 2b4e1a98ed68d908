r"""Checkers of the quickstart."""

import torch
from einops import rearrange

from ecgan.data import toy
from ecgan.evaluation.metrics import confusion, iou
from ecgan.method.layouts import LayoutError, semantics
from ecgan.presets import preset
from ecgan.synthesis import synthesize
from ecgan.teaching.exercises import NotYet, exercise, expect_close
from ecgan.weights.checkpoint import shipped

ENOUGH_PIXELS, BROKEN = 50, 0.5


def _layout(answer) -> torch.Tensor:
    r"""The student's layout as a batch of one, or what is wrong with it."""
    if not isinstance(answer, torch.Tensor):
        raise NotYet(f"hand in a torch tensor of class ids, 64 by 64; this is {type(answer)}.")
    batch = rearrange(answer, "h w -> 1 h w") if answer.ndim == 2 else answer
    try:
        semantics(batch, config=preset("toy").model)
    except LayoutError as error:
        raise NotYet(f"the generator refuses this layout: {error}.") from None
    return batch[:1].long()


@exercise("quickstart.sky")
def sky(layout, answer):
    is_sky = _layout(layout) == toy.CLASSES.index("sky")
    share, count = is_sky.float().mean().item(), is_sky.sum().item()
    hint = "Compare, turn True and False into 1.0 and 0.0, and take the mean."
    if isinstance(answer, torch.Tensor) and answer.dtype == torch.bool:
        raise NotYet("that is True or False for each pixel; which share of them is True?")
    if isinstance(answer, int | float | torch.Tensor):
        if abs(float(answer) - count) < 0.5:
            hint = "That is the number of pixels; divide it by all pixels."
        elif abs(float(answer) - 100 * share) < 0.5:
            hint = "That is a percentage; a share runs from 0 to 1."
    expect_close(answer, share, hint, what="the share of sky")
    return f"{share:.0%} of this street is sky. What share is a lamp, and which would you miss?"


@exercise("quickstart.every_class")
def every_class(answer):
    labels = _layout(answer)
    counts = torch.bincount(labels[0][labels[0] >= 0], minlength=len(toy.CLASSES))
    missing = [name for name, count in zip(toy.CLASSES, counts) if not count]
    if missing:
        raise NotYet(f"your street has no {', no '.join(missing)}. Paint what is missing.")
    few = [name for name, count in zip(toy.CLASSES, counts) if count < 6]
    if few:
        raise NotYet(f"{', '.join(few)}: fewer than 6 pixels. Nobody would see that.")
    return "nine classes in one street. Synthesise it, and see which of them come out best."


@exercise("quickstart.break_it")
def break_it(answer):
    labels = _layout(answer)
    common = torch.bincount(labels[0][labels[0] >= 0], minlength=len(toy.CLASSES)) >= ENOUGH_PIXELS
    if common.sum() < 3:
        raise NotYet(
            f"use three classes or more, of at least {ENOUGH_PIXELS} pixels each: one flat colour "
            f"breaks nothing but the rules."
        )
    made = synthesize(shipped("toy"), labels)
    seen = shipped("toy_judge")(made.final).argmax(dim=1)
    overlap = iou(confusion(seen, labels, classes=len(toy.CLASSES)))[common].mean().item()
    if overlap > BROKEN:
        raise NotYet(
            f"the judge still recognises it, mean IoU {overlap:.2f} over the classes of at least "
            f"{ENOUGH_PIXELS} pixels, and at most {BROKEN} is wanted. The model has seen streets "
            f"only. What is not a street at all?"
        )
    return (
        f"mean IoU {overlap:.2f}. The layout is legal, and far from all that the model and the "
        f"judge were trained on. Look at the picture: who failed, painter or judge?"
    )


@exercise("quickstart.reach")
def reach(answer):
    generator = torch.Generator().manual_seed(0)
    before = torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1
    after = before.clone()
    painted = torch.zeros(8, 8, dtype=torch.bool)
    painted[2:4, 2:6] = True
    after[:, :, painted] += 0.5
    after[:, :, 4, 2:6] -= 0.1
    change = (after - before).abs().mean(dim=(0, 1))
    met = answer(before, after, painted)
    try:
        inside, outside = met
    except (TypeError, ValueError):
        raise NotYet("return two numbers: inside, outside.") from None
    wanted_inside, wanted_outside = change[painted].mean(), change[~painted].mean()
    if abs(float(inside) - (after - before)[:, :, painted].mean()) < 1e-5 and (
        abs(float(outside) - (after - before)[:, :, ~painted].mean()) < 1e-5
    ):
        raise NotYet("brighter and darker cancel out in your means: take absolute values first.")
    for what, value, wanted in (
        ("inside", inside, wanted_inside),
        ("outside", outside, wanted_outside),
    ):
        expect_close(
            value,
            wanted,
            "It is the mean absolute difference over all channels and over the pixels "
            f"{'where painted is True' if what == 'inside' else 'where it is False'}.",
            what=f"the change {what}",
        )
    return "now try it on the street: the change is large inside, and not zero outside."
