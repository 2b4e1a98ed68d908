r"""Typical wrong answers to the exercises of chapter 09."""

from types import SimpleNamespace


def outcome(ended: str, step: int, resumed_at: int, steps: list[int]) -> SimpleNamespace:
    rows = [{"step": number, "seconds": 1.0} for number in steps]
    history = SimpleNamespace(rows=rows)
    return SimpleNamespace(ended=ended, step=step, resumed_at=resumed_at, history=history)


EARLY = outcome("out of time", 1, 0, [1])

WRONG = {
    "training.decay": [
        (lambda step, steps, constant: 1 - step / steps, "the line starts at step 5"),
        (
            lambda step, steps, constant: 1.0 if step < constant * steps else 1 - step / steps,
            "has the factor 1:",
        ),
        (lambda step, steps, constant: 1.0, "has the factor 0.8"),
    ],
    "training.scaler": [
        (
            lambda scale, good, overflow, interval: (
                (scale / 2, good) if overflow else (scale, good + 1)
            ),
            "after as many good steps as the interval the scale doubles",
        ),
        (
            lambda scale, good, overflow, interval: (
                (scale * 2, 0) if overflow else (scale, good + 1)
            ),
            "after as many good steps",
        ),
        (
            lambda scale, good, overflow, interval: (
                (scale * 2, 0)
                if not overflow and good + 1 == interval
                else (scale / 2, good)
                if overflow
                else (scale, good + 1)
            ),
            "an overflow halves the scale and starts the count anew",
        ),
        (lambda scale, good, overflow, interval: scale, "two numbers are wanted"),
    ],
    "training.resume": [
        ((outcome("finished", 40, 0, [1, 40]),) * 2, "the first call finished"),
        ((EARLY, outcome("finished", 40, 0, [1, 10, 40])), "Use the same folder for both"),
        ((EARLY, outcome("out of time", 2, 1, [1, 2])), "did not finish"),
        ((EARLY, outcome("finished", 40, 1, [10, 40])), "should go on where the first ends"),
        ((1, 2), "hand in what `fit` gives back"),
    ],
}
