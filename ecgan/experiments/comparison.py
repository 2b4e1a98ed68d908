r"""Rows to statements: paired differences, intervals, verdicts by a stated rule (chapter 10)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from jaxtyping import Float
from scipy.stats import bootstrap

from ecgan.files import records

EXPERIMENTS = Path(__file__).parent  # the grid, the claims, results/ with the rows
CONFIDENCE, RESAMPLES = 0.95, 9999
SEEDS_NEEDED = 5  # for a verdict: fewer agree by luck too often
SUPPORTED, UNSEEN, CONTRADICTED = "supported here", "not visible here", "contradicted here"
NOT_RUN = "not run"
WHICH = ("experiment", "variant", "metric", "picture", "share")
NEEDED = ("experiment", "variant", "seed", "config", "commit", "versions", "device", "metric")
NEEDED += ("value", "protocol", "seconds", "picture", "share")


class Rows(tuple[Mapping, ...]):
    r"""Rows, among which those of one run and metric are found at once."""

    @cached_property
    def by_run(self) -> dict[tuple, list[Mapping]]:
        r"""The rows by the fields of :data:`WHICH`."""
        found: dict[tuple, list[Mapping]] = {}
        for row in self:
            found.setdefault(tuple(row[name] for name in WHICH), []).append(row)
        return found


def as_rows(rows: Iterable[Mapping]) -> Rows:
    r"""Rows from wherever they are."""
    return rows if isinstance(rows, Rows) else Rows(rows)


def read_rows(folder: str | Path) -> Rows:
    r"""All rows of a folder of results, each with all that makes its number again.

    Raises :class:`ecgan.files.records.RecordError` for a row that lacks something.
    """
    rows = []
    for path in sorted(Path(folder).rglob("*.jsonl")):
        for number, row in enumerate(records.read(path), start=1):
            lacking = [name for name in NEEDED if row.get(name) in (None, "", {})]
            if lacking or "name" not in row["protocol"]:
                what = ", ".join(lacking) or "the name of its protocol"
                raise records.RecordError(
                    f"{path}, line {number} lacks {what}; delete the file, run `make experiments`"
                )
            rows.append(row)
    return Rows(rows)


def values(
    rows: Iterable[Mapping], run: str, metric: str, *, share: float | int = 1
) -> dict[int, float]:
    r"""A metric by seed, of the final images of a run, "ablation/whole"; others: "...@first".

    After a ``share`` of its steps. Empty for what has not been run.
    """
    name, _, picture = run.partition("@")
    experiment, _, variant = name.partition("/")
    wanted = (experiment, variant, metric, picture or "final", share)
    return {row["seed"]: float(row["value"]) for row in as_rows(rows).by_run.get(wanted, [])}


def interval(numbers: Float[np.ndarray, "n"]) -> tuple[float, float]:
    r"""Bootstrap interval of the mean (percentiles, 95 %); always the same for the same numbers.

    From few numbers it is too narrow: chapter 10 measures by how much. One number has none: NaN.
    """
    if len(numbers) < 2:
        return float("nan"), float("nan")
    found = bootstrap(
        (numbers,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


@dataclass(frozen=True, kw_only=True)
class Effect:
    r"""What a run gains over another with the same seed: positive is better, whatever the metric.

    ``noise`` is the standard deviation between the seeds of the run compared with.
    """

    gains: dict[int, float]
    noise: float

    @property
    def mean(self) -> float:
        r"""Mean gain over the seeds."""
        return float(np.mean(list(self.gains.values()))) if self.gains else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        r"""Bootstrap interval of the mean gain."""
        return interval(np.array(list(self.gains.values()), dtype=float))

    @property
    def better_seeds(self) -> int:
        r"""How many seeds gain."""
        return sum(value > 0 for value in self.gains.values())

    @property
    def verdict(self) -> str:
        r"""The rule: the whole interval lies on one side of zero, and no seed on the other.

        "not run" with fewer than :data:`SEEDS_NEEDED` seeds.
        """
        if len(self.gains) < SEEDS_NEEDED:
            return NOT_RUN
        low, high = self.interval
        signs = set(np.sign(list(self.gains.values())))
        if low > 0 and signs == {1}:
            return SUPPORTED
        if high < 0 and signs == {-1}:
            return CONTRADICTED
        return UNSEEN


def effect(
    rows: Iterable[Mapping],
    run: str,
    against: str,
    metric: str,
    *,
    better: str = "higher",
    share: float | int = 1,
) -> Effect:
    r"""The gain of ``run`` over ``against`` in a metric, seed by seed, over the seeds of both."""
    rows = as_rows(rows)
    ours, theirs = (values(rows, one, metric, share=share) for one in (run, against))
    sign = 1 if better == "higher" else -1
    gains = {seed: sign * (ours[seed] - theirs[seed]) for seed in sorted(ours) if seed in theirs}
    spread = np.std(list(theirs.values()), ddof=1) if len(theirs) > 1 else float("nan")
    return Effect(gains=gains, noise=float(spread))


@dataclass(frozen=True, kw_only=True)
class Claim:
    r"""A sentence of the paper, the metric that would show it, and the pairs of runs that could.

    ``why`` says why this metric, ``otherwise`` what would change our mind; both were written before
    the runs.
    """

    claim: str
    part: str
    source: str
    metric: str
    better: Literal["higher", "lower"]
    why: str = ""
    otherwise: str = ""
    shown_by: list[list[str]] = field(default_factory=list)

    def effects(self, rows: Iterable[Mapping]) -> list[Effect]:
        r"""The gain in each pair."""
        rows = as_rows(rows)
        return [
            effect(rows, run, against, self.metric, better=self.better)
            for run, against in self.shown_by
        ]

    def waits(self, rows: Iterable[Mapping]) -> int:
        r"""How many more seeds its pairs need together for a verdict."""
        there = [len(one.gains) for one in self.effects(rows)]
        return sum(max(0, SEEDS_NEEDED - seeds) for seeds in there)

    def verdict(self, rows: Iterable[Mapping]) -> str:
        r"""Supported where a pair supports and none contradicts; contradicted the other way round.

        Not visible otherwise, and so where the pairs disagree.
        """
        found = {one.verdict for one in self.effects(rows)}
        if NOT_RUN in found:
            return NOT_RUN
        if SUPPORTED in found and CONTRADICTED not in found:
            return SUPPORTED
        if CONTRADICTED in found and SUPPORTED not in found:
            return CONTRADICTED
        return UNSEEN


def read_claims(path: str | Path) -> list[Claim]:
    r"""The claims of a YAML file."""
    listed = yaml.safe_load(Path(path).read_text())
    return [Claim(source=entry.pop("from"), **entry) for entry in listed]
