r"""Rows to statements: what is paired, how intervals come about, when a claim is supported."""

import numpy as np
import pytest

from ecgan.experiments.comparison import (
    CONTRADICTED,
    NOT_RUN,
    SUPPORTED,
    UNSEEN,
    Claim,
    effect,
    interval,
    values,
)


def rows(**runs: list[float]) -> list[dict]:
    r"""Rows of one metric, by variant, seeds 0, 1, ..."""
    return [
        {"experiment": "x", "variant": name, "seed": seed, "metric": "fid", "picture": "final"}
        | {"value": value, "share": 1.0}
        for name, numbers in runs.items()
        for seed, value in enumerate(numbers)
    ]


def test_values_are_those_of_one_run_metric_and_picture() -> None:
    several = rows(a=[1.0, 2.0], b=[3.0])
    several += [row | {"picture": "first", "value": 9.0} for row in several]
    several += [row | {"metric": "kid", "value": 8.0} for row in several]
    several += [row | {"share": 0.5, "value": 7.0} for row in several]
    assert values(several, "x/a", "fid") == {0: 1.0, 1: 2.0}
    assert values(several, "x/b", "fid", share=0.5) == {0: 7.0}
    assert values(several, "x/a@first", "fid") == {0: 9.0, 1: 9.0}
    assert values(several, "y/a", "fid") == {}


def test_gains_are_paired_by_seed_and_positive_is_better() -> None:
    found = effect(rows(a=[1.0, 5.0, 2.0], b=[2.0, 7.0]), "x/a", "x/b", "fid", better="lower")
    assert found.gains == {0: 1.0, 1: 2.0}
    assert found.mean == 1.5
    assert found.better_seeds == 2
    assert effect(rows(a=[1, 5, 9], b=[2, 5, 7]), "x/a", "x/b", "fid").better_seeds == 1
    assert found.noise == pytest.approx(np.std([2, 7], ddof=1))


def test_the_interval_is_that_of_the_mean() -> None:
    numbers = np.random.default_rng(0).normal(3, 2, size=200)
    low, high = interval(numbers)
    error = numbers.std(ddof=1) / np.sqrt(200)
    assert (low, high) == pytest.approx(numbers.mean() + 1.96 * error * np.array([-1, 1]), abs=0.04)
    assert interval(numbers) == (low, high), "the same for the same numbers"
    assert np.isnan(interval(numbers[:1])).all()
    assert interval(np.ones(4)) == (1, 1)


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([1.0, 2.0, 1.5, 0.5, 1.0], SUPPORTED),
        ([-1.0, -2.0, -1.5, -0.5, -1.0], CONTRADICTED),
        ([1.0, 2.0, 1.5, -0.1, 1.0], UNSEEN),  # one seed on the other side
        ([1.0, 2.0, 1.5, 0.0, 1.0], UNSEEN),
        ([1.0, -2.0, 1.5, -0.1, 1.0], UNSEEN),
        ([1.0] * 4, NOT_RUN),
        ([], NOT_RUN),
    ],
)
def test_the_rule(gains: list[float], verdict: str) -> None:
    found = effect(rows(a=gains, b=[0.0] * len(gains)), "x/a", "x/b", "fid")
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ([1] * 5, [2, 1, 2, 1, 2], SUPPORTED),
        ([1] * 5, [2, -1, 2, 1, 2], SUPPORTED),
        ([-1] * 5, [2, -1, 2, 1, 2], CONTRADICTED),
        ([1] * 5, [-2, -1, -2, -1, -2], UNSEEN),
        ([1, -1, 1, 1, 1], [2, -1, 2, 1, 2], UNSEEN),
        ([1] * 5, [2] * 4, NOT_RUN),
    ],
)
def test_a_claim_is_the_sum_of_its_pairs(first, second, verdict) -> None:
    claim = Claim(
        claim="It helps.",
        part="it",
        source="A",
        metric="fid",
        better="higher",
        shown_by=[["x/a", "x/none"], ["x/b", "x/none"]],
    )
    there = rows(a=first, b=second, none=[0] * 5)
    assert claim.verdict(there) == verdict
    assert claim.waits(there) == 10 - len(first) - len(second)
