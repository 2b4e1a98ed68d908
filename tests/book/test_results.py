r"""The page of results: made from the rows, and from nothing else."""

import re

import pytest

from book.tools import results
from ecgan.experiments.comparison import EXPERIMENTS, read_claims, read_rows
from ecgan.experiments.grid import read_grid

NUMBER = re.compile(r"[-−+]?\d+\.\d+")
CELL = re.compile(r"(?<=\| )[^|]+(?= \|)")


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return read_rows(EXPERIMENTS / "results")


@pytest.fixture(scope="module")
def page() -> str:
    return results.PAGE.read_text()


def test_the_page_is_what_the_rows_say(page: str, rows: list[dict]) -> None:
    assert page == results.render(rows), "run `python -m book.tools.results`"


def test_without_rows_the_page_has_no_number() -> None:
    r"""So no number is typed, neither in the script nor in its prose."""
    empty = results.render([])
    assert NUMBER.findall(empty) == []
    assert "supported here** |" not in empty
    for line in empty.splitlines():
        if line.startswith("| ") and "---" not in line:
            cells = re.sub(r"`[^`]*`|\*[^*]*\*", "", line).replace("F1", "")  # names
            assert not re.search(r"\d", cells), line
    assert empty.count(results.NOT_RUN) > 50


def run_of(row: dict) -> str:
    return f"{row['experiment']}/{row['variant']}".removeprefix("ablation/")


def test_every_seed_stands_as_its_row_holds_it(page: str, rows: list[dict]) -> None:
    table = page[page.index("{dropdown}") :]
    shown = [CELL.findall(line) for line in table.splitlines() if line.startswith("| ")][2:]
    names = list(results.METRICS)
    found = {}
    for variant, picture, seed, *numbers in shown:
        for metric, number in zip(names, numbers, strict=True):
            found[variant.strip(), picture.strip(), int(seed), metric] = number.strip()
    wanted = {
        (run_of(row), row["picture"], row["seed"], row["metric"]): results.number(
            row["value"], results.METRICS[row["metric"]][1]
        )
        for row in rows
        if row["experiment"] in ("ablation", *results.QUESTIONS) and row["picture"] != "edge"
    }
    assert found == wanted


def test_verdicts_are_computed(page: str, rows: list[dict]) -> None:
    for claim in read_claims(EXPERIMENTS / "claims.yaml"):
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {claim.claim}")]
        assert f"**{claim.verdict(rows)}**" in line
    worse = [row | {"value": -row["value"]} if row["picture"] != "edge" else row for row in rows]
    assert results.verdicts(worse) != results.verdicts(rows)


def test_the_page_names_every_variant_of_the_ablation() -> None:
    variants = {
        c.variant for c in read_grid(EXPERIMENTS / "grid.yaml").cells if c.experiment == "ablation"
    }
    assert variants == {*results.LADDER, *results.TAKEN}
