r"""Checkers of chapter 09, on training."""

from ecgan.config import TrainingConfig
from ecgan.teaching.exercises import NotYet, exercise, expect_close
from ecgan.training import linear_decay


@exercise("training.decay")
def decay(answer):
    for steps, constant in ((10, 0.5), (8, 0.25), (6, 0.0), (5, 1.0)):
        factor = linear_decay(TrainingConfig(steps=steps, constant=constant))
        for step in range(steps + 1):
            if (steps, constant, step) == (5, 1.0, 5):
                continue  # the first step that is not made any more
            expect_close(
                answer(step, steps, constant),
                factor(step),
                f"With {steps} steps, {constant:g} of them constant, step {step} has the factor "
                f"{factor(step):.4g}: the line starts at step {constant * steps:g} and ends at "
                f"{steps}.",
                what="the factor",
            )
    return "the schedule depends on the number of steps, so a longer run is another run."


@exercise("training.scaler")
def scaler(answer):
    scale, good = 1024.0, 0
    story = [False, False, False, False, True, True, False, False, True, False, False, False]
    for number, overflow in enumerate(story, start=1):
        met = answer(scale, good, overflow, interval=3)
        if not isinstance(met, tuple | list) or len(met) != 2:
            raise NotYet("two numbers are wanted: `return scale, good_steps`.")
        before = f"scale {scale:g}, {good} good steps, interval 3"
        if overflow:
            scale, good = scale / 2, 0
            rule = "an overflow halves the scale and starts the count anew"
        elif good + 1 == 3:
            scale, good = scale * 2, 0
            rule = "after as many good steps as the interval the scale doubles, and the count is 0"
        else:
            good += 1
            rule = "a good step is counted, and the scale stays"
        now = f"At step {number} of my story ({before}): {rule}."
        expect_close(met[0], scale, now, what="the scale")
        expect_close(met[1], good, now, what="the number of good steps")
    return "it always tries for the largest scale that does not overflow."


@exercise("training.resume")
def resume(first, second):
    for what, outcome in (("first", first), ("second", second)):
        if not all(hasattr(outcome, name) for name in ("ended", "step", "resumed_at", "history")):
            raise NotYet(
                f"the {what} is a {type(outcome).__name__}; hand in what `fit` gives back."
            )
    if first.ended == "finished":
        raise NotYet(
            "the first call finished all its steps. Give it `RunSettings(minutes=...)` with less "
            "time than it needs; 0 minutes end after one step."
        )
    if second.ended != "finished":
        raise NotYet("the second call did not finish. Leave `minutes` out, or give it more.")
    if second.resumed_at != first.step:
        raise NotYet(
            f"the first call ended at step {first.step}, the second started at step "
            f"{second.resumed_at}. Use the same folder for both."
        )
    early, late = ([row["step"] for row in it.history.rows] for it in (first, second))
    if late[: len(early)] != early or late != sorted(set(late)):
        raise NotYet(
            f"the second log has the steps {late}, the first {early}; it should go on where the "
            f"first ends. Was the folder empty before the first call?"
        )
    return f"one curve in two sittings: {early[-1]} steps, then on to {late[-1]}."
