r"""Rows of experiments as cells and tables of a page."""

from collections.abc import Sequence

import numpy as np

from book.tools.pages import table
from ecgan.experiments.comparison import NOT_RUN, Effect, interval, values
from ecgan.experiments.words import METRICS

MAIN = ("fid", "kid", "miou", "inner_edges", "recall_small", "agreement")


def number(value: float, digits: int, *, sign: bool = False) -> str:
    r"""A number as it is shown; a dash for none."""
    return "–" if np.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def mean_and_interval(numbers: Sequence[float], digits: int) -> str:
    r"""The mean, and the bootstrap interval where there are several numbers."""
    if not len(numbers):
        return NOT_RUN
    low, high = interval(np.array(numbers, dtype=float))
    mean = number(float(np.mean(numbers)), digits)
    return mean if np.isnan(low) else f"{mean} [{number(low, digits)}, {number(high, digits)}]"


def heads(metrics: Sequence[str]) -> list[str]:
    r"""Names of metrics, and which way is better."""
    return [f"{METRICS[m].name} ({METRICS[m].better})" for m in metrics]


def scores(
    rows: list[dict], runs: dict[str, str], metrics: Sequence[str] = MAIN, share: float = 1
) -> str:
    r"""Mean and interval of each metric for each run, ``runs`` by name and what they are called."""
    lines = []
    for run, name in runs.items():
        found = {m: list(values(rows, run, m, share=share).values()) for m in metrics}
        seeds = str(len(found[metrics[0]]) or NOT_RUN)
        shown = [mean_and_interval(found[metric], METRICS[metric].digits) for metric in metrics]
        lines.append([name, seeds, *shown])
    return table(["", "seeds", *heads(metrics)], lines)


def gain(one: Effect, digits: int) -> list[str]:
    r"""Cells of an effect: mean gain, interval, noise, seeds that gain."""
    if not one.gains:
        return [NOT_RUN, "–", "–", "–"]
    low, high = one.interval
    span = f"[{number(low, digits, sign=True)}, {number(high, digits, sign=True)}]"
    return [
        number(one.mean, digits, sign=True),
        "–" if np.isnan(low) else span,
        number(one.noise, digits),
        f"{one.better_seeds} of {len(one.gains)}",
    ]


def gain_and_seeds(one: Effect, digits: int) -> str:
    r"""An effect in one cell."""
    mean, _, _, seeds = gain(one, digits)
    return mean if mean == NOT_RUN else f"{mean} ({seeds})"
