r"""The figures of an ablation: what they draw of rows, of few and of none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecgan.experiments.comparison import EXPERIMENTS, effect, read_claims
from ecgan.experiments.grid import read_grid
from ecgan.experiments.words import METRICS
from ecgan.teaching import ablation_figures as figures
from support.made_up_rows import made_up

CELLS = [c for c in read_grid(EXPERIMENTS / "grid.yaml").cells if c.experiment == "ablation"]
CLAIMS = read_claims(EXPERIMENTS / "claims.yaml")
FIRST = ("baseline", "whole")


def dots(axis) -> list[float]:
    r"""Where the dots of an axis lie, from left to right."""
    return sorted(x for line in axis.lines if line.get_marker() == "o" for x in line.get_xdata())


@pytest.mark.parametrize("count", [0, 9, len(CELLS)])
def test_every_seed_is_a_dot(count: int) -> None:
    rows = made_up(CELLS[:count])
    figure = figures.by_variant(rows, ("fid", "miou"))
    for axis, metric in zip(figure.axes, ("fid", "miou"), strict=True):
        wanted = [
            row["value"]
            for row in rows
            if (row["metric"], row["picture"], row["share"]) == (metric, "final", 1)
        ]
        assert dots(axis) == sorted(wanted)
    figure.canvas.draw()


@pytest.mark.parametrize("count", [0, 9, len(CELLS)])
def test_gains_stand_in_the_units_of_their_metric(count: int) -> None:
    rows = made_up(CELLS[:count])
    figure = figures.gains(rows, CLAIMS)
    metrics = list(dict.fromkeys(claim.metric for claim in CLAIMS))
    for axis, metric in zip(figure.axes, metrics, strict=True):
        found = [
            gain
            for claim in CLAIMS
            if claim.metric == metric
            for pair in claim.shown_by
            for gain in effect(rows, *pair, metric, better=claim.better).gains.values()
        ]
        assert dots(axis) == sorted(found)
        assert METRICS[metric].name in axis.get_title()
    figure.canvas.draw()


def test_lines_settle_at_the_means_of_the_end() -> None:
    rows = made_up(CELLS)
    figure = figures.settling(rows, FIRST, ("miou",))
    for line, variant in zip(figure.axes[0].lines, FIRST, strict=True):
        last = [
            row["value"]
            for row in rows
            if (row["variant"], row["metric"], row["picture"], row["share"])
            == (variant, "miou", "final", 1)
        ]
        assert line.get_xdata()[-1] == 1
        assert line.get_ydata()[-1] == pytest.approx(np.mean(last))
    figures.settling([], FIRST, ("fid", "miou")).canvas.draw()


def test_what_was_painted_is_shown_where_it_belongs(tmp_path: Path) -> None:
    assert figures.painted(tmp_path) is None
    pictures = np.zeros((8, 16, 3), dtype=np.uint8)
    pictures[:, 8:] = 77
    for run in ("baseline.0", "whole.1"):
        Image.fromarray(pictures).save(tmp_path / f"{run}.png")
    figure = figures.painted(tmp_path, scene=1, seeds=3)
    axes = [axis for axis in figure.axes if axis.images]
    # The third seed, and the other variants, have not run: there is no place for them.
    assert [int(axis.images[0].get_array().max()) for axis in axes] == [77, 255, 255, 77]
    assert [axis.get_title() for axis in axes] == ["", "baseline", "", "whole"]
