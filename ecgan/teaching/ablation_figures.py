r"""The figures of an ablation, from its rows; chapter 10 and the page of results show them.

Each draws what rows there are: a grid that is half run gives half a figure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ecgan.experiments.comparison import Claim, as_rows, interval, values
from ecgan.experiments.words import ADDED, METRICS, VARIANTS, called
from ecgan.teaching.figures import CYCLE, WIDTH, strip

SMALL = 10  # points
GREY = "#999999"


def _plain(run: str) -> str:
    return called(run).replace("*", "")


def _one_run(axis: Axes, numbers: Sequence[float], place: float | int, colour: str) -> None:
    r"""A dot a seed, a bar for the interval of the mean, a mark for the mean."""
    axis.plot(numbers, [place] * len(numbers), "o", color=colour, alpha=0.45, markersize=5)
    if numbers:
        axis.plot(interval(np.array(numbers)), [place] * 2, color=colour)
        axis.plot(np.mean(numbers), place, "|", color=colour, markersize=13, markeredgewidth=3)


def by_variant(rows: Sequence[Mapping], metrics: Sequence[str]) -> Figure:
    r"""Every seed of every variant of the ablation, a panel a metric.

    Above the line parts are added, below it one is taken from the whole. Dashed: flat colours,
    where they fit in.
    """
    rows, lines = as_rows(rows), -(-len(metrics) // 2)
    size = (WIDTH, 0.5 + 3 * lines)
    figure, axes = plt.subplots(
        lines, min(2, len(metrics)), figsize=size, sharey=True, squeeze=False
    )
    for axis, metric in zip(axes.flat, metrics, strict=False):
        for place, variant in enumerate(VARIANTS):
            numbers = list(values(rows, f"ablation/{variant}", metric).values())
            _one_run(axis, numbers, place, CYCLE[variant not in ADDED])
        for flat in values(rows, "yardsticks/flat", metric).values():
            left, right = axis.get_xlim()
            if left <= flat <= right:  # far off, it would press the dots together
                axis.axvline(flat, color=GREY, linewidth=1, linestyle="--")
        axis.axhline(len(ADDED) - 0.5, color=GREY, linewidth=1)
        axis.set_title(f"{METRICS[metric].name}\n({METRICS[metric].better} is better)")
        axis.set_yticks(range(len(VARIANTS)), [name.replace("_", " ") for name in VARIANTS])
        axis.set_ylim(len(VARIANTS) - 0.5, -0.5)
    plt.close(figure)
    return figure


def gains(rows: Sequence[Mapping], claims: Sequence[Claim]) -> Figure:
    r"""What each pair of runs gains, seed by seed, in the units of its metric: a panel a metric.

    Grey: the deviation between seeds of the run compared with. A pair without a seed yet is empty.
    """
    rows, pairs = as_rows(rows), {}
    for number, claim in enumerate(claims, start=1):
        for (run, against), one in zip(claim.shown_by, claim.effects(rows), strict=True):
            label = f"{number}: {_plain(run)} – {_plain(against)}"
            pairs.setdefault(claim.metric, []).append((label, one))
    heights = [len(found) + 1.4 for found in pairs.values()]
    figure, axes = plt.subplots(
        len(pairs), figsize=(WIDTH, 0.36 * sum(heights)), height_ratios=heights, squeeze=False
    )
    for axis, (metric, found) in zip(axes.flat, pairs.items(), strict=True):
        for place, (_, one) in enumerate(found):
            if np.isfinite(one.noise):
                axis.barh(place, 2 * one.noise, 0.7, left=-one.noise, color="#E4E4E4", zorder=0)
            _one_run(axis, list(one.gains.values()), place, CYCLE[0])
        axis.axvline(0, color="#555555", linewidth=1)
        axis.set_yticks(range(len(found)), [label for label, _ in found], fontsize=SMALL)
        axis.set_ylim(len(found) - 0.5, -0.5)
        axis.set_title(f"gain in {METRICS[metric].name} (right: better)", fontsize=SMALL + 1)
        axis.tick_params(axis="x", labelsize=SMALL)
        if not any(one.gains for _, one in found):
            axis.set_xticks([])
            axis.text(0.5, 0.5, "not run yet", transform=axis.transAxes, fontsize=SMALL)
    plt.close(figure)
    return figure


def settling(
    rows: Sequence[Mapping],
    variants: Sequence[str],
    metrics: Sequence[str],
    *,
    shares: Sequence[float | int] = (0.25, 0.5, 1),
) -> Figure:
    r"""Means over seeds after shares of the training, a line a variant, a panel a metric."""
    rows = as_rows(rows)
    figure, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 3.6), squeeze=False)
    for axis, metric in zip(axes.flat, metrics, strict=True):
        for place, variant in enumerate(variants):
            found = [
                list(values(rows, f"ablation/{variant}", metric, share=share).values())
                for share in shares
            ]
            there = [(share, np.mean(many)) for share, many in zip(shares, found) if many]
            label = variant.replace("_", " ")
            axis.plot(*zip(*there or [(np.nan, np.nan)]), "o-", color=CYCLE[place], label=label)
        axis.set(xscale="log", title=METRICS[metric].name, xlabel="share of the steps")
        axis.set_xticks(shares, [f"{share:g}" for share in shares])
        axis.minorticks_off()
        if METRICS[metric].better == "lower" and axis.dataLim.y1 > 0:
            axis.set_yscale("log")
    names, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(names, labels, loc="outside lower center", ncols=3, fontsize=SMALL)
    plt.close(figure)
    return figure


def read_kept(path: Path) -> list[UInt8[np.ndarray, "h w 3"]]:
    r"""The square pictures that a run left side by side; none where there is no file."""
    if not path.is_file():
        return []
    whole = np.asarray(Image.open(path).convert("RGB"))
    return np.split(whole, whole.shape[1] // whole.shape[0], axis=1)


def painted(
    folder: Path, variants: Sequence[str] = VARIANTS, *, scene: int = 0, seeds: int = 3
) -> Figure | None:
    r"""One layout as every variant paints it: up to ``seeds`` pictures each, six a line.

    ``folder`` holds the pictures of an experiment's runs. Variants without any are left out; a seed
    that others have is a white square. None where no run has left a picture yet.
    """
    found = {
        (variant, seed): read_kept(folder / f"{variant}.{seed}.png")
        for variant in variants
        for seed in range(seeds)
    }
    there = {run: pictures[scene] for run, pictures in found.items() if pictures}
    if not there:
        return None
    seeds = 1 + max(seed for _, seed in there)
    ran = [
        variant for variant in variants if any((variant, seed) in there for seed in range(seeds))
    ]
    white = np.full_like(next(iter(there.values())), 255)
    shown = [there.get((variant, seed), white) for variant in ran for seed in range(seeds)]
    titles = []
    for variant in ran:
        middle = [""] * seeds
        middle[seeds // 2] = variant.replace("_", " ")
        titles += middle
    return strip(shown, titles, columns=seeds * max(1, 6 // seeds))
