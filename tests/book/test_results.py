r"""The page of results: made from the rows, and from nothing else, however many there are."""

import re

import pytest

from book.tools import claims, results
from book.tools.shipped_scores import read_networks
from ecgan.evaluation import yardsticks
from ecgan.experiments.comparison import (
    EXPERIMENTS,
    Rows,
    as_rows,
    effect,
    read_claims,
    read_rows,
    values,
)
from ecgan.experiments.grid import read_grid
from ecgan.experiments.words import METRICS, VARIANTS
from ecgan.files import records
from support.made_up_rows import made_up

NUMBER = re.compile(r"[-−+]?\d+\.\d+")
CELL = re.compile(r"(?<=\| )[^|]+(?= \|)")
CELLS = [cell for grid in results.grids().values() for cell in grid.cells]
# What a grid that was stopped leaves: every seed of one variant, two of another, the whole's three.
SOME = [
    cell
    for cell in CELLS
    if cell.experiment == "yardsticks"
    or (cell.variant, cell.seed) in {("baseline", seed) for seed in range(5)}
    or (cell.experiment == "ablation" and cell.variant == "whole" and cell.seed < 3)
]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return read_rows(EXPERIMENTS / "results")


@pytest.fixture(scope="module")
def all_made_up() -> Rows:
    return as_rows(made_up(CELLS))


@pytest.fixture(scope="module")
def full(all_made_up) -> str:
    return results.render(all_made_up, {})


def test_the_page_is_what_the_rows_say(rows: list[dict]) -> None:
    assert results.PAGE.read_text() == results.render(rows, read_networks()), (
        "run `python -m book.tools.results`"
    )
    assert results.PICTURE.is_file()
    assert f"{{figure}} {results.PICTURE.name}" in results.PAGE.read_text()


def test_without_rows_the_page_has_no_number() -> None:
    r"""So no number is typed, neither in the script nor in its prose."""
    empty = results.render([], {})
    assert NUMBER.findall(empty) == []
    assert "supported here** |" not in empty
    for line in empty.splitlines():
        if line.startswith("| ") and "---" not in line:
            cells = re.sub(r"`[^`]*`|\*[^*]*\*", "", line).replace("F1", "")  # names
            assert not re.search(r"\d", cells), line
    assert empty.count(results.NOT_RUN) > 50


def test_with_some_rows_claims_wait_and_gains_are_shown() -> None:
    page = results.render(made_up(SOME), {})
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(lines) == len(read_claims(EXPERIMENTS / "claims.yaml"))
    assert all("**waits** for" in line for line in lines)
    (last,) = [line for line in lines if "All parts together" in line]
    assert "waits** for 2 pairs" in last
    assert re.search(r"[-−+]\d+\.\d+ \[.*\d of 3 \|$", last)
    assert "9 still waiting for runs" in claims.opening(made_up(SOME))[0]


def test_three_sentences_open_the_page(full: str, all_made_up: Rows) -> None:
    before, _, _ = full.partition("\n## ")
    for sentence in claims.opening(all_made_up):
        assert sentence in before
    assert len(claims.opening([])) == 3
    assert "none still waiting" in claims.opening(all_made_up)[0]
    assert claims.opening([])[1].count(results.NOT_RUN) == 3


def run_of(row: dict) -> str:
    return f"{row['experiment']}/{row['variant']}".removeprefix("ablation/")


def test_every_seed_stands_as_its_row_holds_it(full: str, all_made_up: Rows) -> None:
    table = full[full.index("Each value as the rows hold it") :]
    shown = [CELL.findall(line) for line in table.splitlines() if line.startswith("| ")][2:]
    found = {}
    for variant, picture, seed, *numbers in shown:
        for metric, number in zip(results.SEEN_BY_SEED, numbers, strict=True):
            found[variant.strip(), picture.strip(), int(seed), metric] = number.strip()
    wanted = {
        (run_of(row), row["picture"], row["seed"], row["metric"]): results.number(
            row["value"], METRICS[row["metric"]].digits
        )
        for row in all_made_up
        if row["experiment"] in ("ablation", *results.QUESTIONS)
        and row["metric"] in results.SEEN_BY_SEED
        and row["share"] == 1
    }
    assert found == wanted


def test_verdicts_are_computed(full: str, all_made_up: Rows) -> None:
    rows = all_made_up
    for claim in read_claims(EXPERIMENTS / "claims.yaml"):
        (line,) = [one for one in full.splitlines() if re.match(rf"\| `\d` {claim.claim}", one)]
        assert f"**{claim.verdict(rows)}**" in line
    worse = [row | {"value": -row["value"]} for row in rows]
    assert claims.verdicts(worse) != claims.verdicts(rows)


def test_the_order_after_shares_of_the_training_is_that_of_the_means() -> None:
    cells = [cell for cell in CELLS if cell.experiment == "ablation" and cell.seed == 0]
    rows = made_up(cells)
    for row in rows:  # the better, the later in the grid; at a quarter the other way round
        place = VARIANTS.index(row["variant"])
        row["value"] = float(place if row["share"] == 0.25 else -place)
    lines = results.shares_of_training(rows).splitlines()[2:]
    first = [CELL.findall(line)[1].split(",")[0] for line in lines]
    words = [name.replace("_", " ") for name in (VARIANTS[0], VARIANTS[-1], VARIANTS[-1])]
    assert [re.search(r"\*(.*)\*", name).group(1) for name in first] == words


def test_the_page_names_every_variant_of_the_ablation() -> None:
    cells = read_grid(EXPERIMENTS / "grid.yaml").cells
    assert {c.variant for c in cells if c.experiment == "ablation"} == set(VARIANTS)
    named = {c.experiment for c in CELLS} - {"ablation", "yardsticks", "similarity_pairs"}
    assert named == {*results.QUESTIONS, "photographs", "photograph_yardsticks"}


def better_seeds(rows: list[dict], run: str, against: str, metric: str, **better: str) -> tuple:
    found = effect(rows, run, against, metric, **better)
    return found.better_seeds, len(found.gains)


def scored(name: str) -> dict[tuple[str, str], float]:
    r"""The stored scores of a network of photographs, by painter and metric."""
    rows = records.read(yardsticks.RESULTS / f"{name}.jsonl")
    return {(row["painter"], row["metric"]): row["value"] for row in rows}


def in_floors(name: str, metric: str) -> float:
    found = scored(name)
    return found["final", metric] / found["training", metric]


def test_what_chapter_10_says_of_photographs(rows):
    for against in ("baseline", "without_edges"):
        pair = "photographs/whole", f"photographs/{against}"
        assert better_seeds(rows, *pair, "fd-lite", better="lower") == (3, 3)
    pair = "photographs/whole", "photographs/similarity"
    assert better_seeds(rows, *pair, "fd-lite", better="lower") not in ((3, 3), (0, 3))
    pair = "photographs/whole", "photographs/without_semantic"
    assert better_seeds(rows, *pair, "recall_small") not in ((3, 3), (0, 3))
    (real,) = values(rows, "photograph_yardsticks/real", "recall_small").values()
    assert 0.2 < real < 0.3


def test_what_chapter_10_says_of_rates_and_layouts(rows):
    lost = {}
    for rate in ("half", "double"):
        whole, baseline = f"rate/whole_{rate}", f"rate/baseline_{rate}"
        assert better_seeds(rows, whole, baseline, "fid", better="lower") == (2, 2)
        lost[rate] = effect(rows, baseline, "ablation/baseline", "fid", better="lower").mean
    pair = "ablation/whole", "ablation/baseline"
    assert better_seeds(rows, *pair, "fid", better="lower") == (5, 5)
    assert lost["half"] < min(0, lost["double"])
    for run in ("whole", "baseline"):
        doubled = f"rate/{run}_double", f"ablation/{run}"
        assert better_seeds(rows, *doubled, "recall_small") == (2, 2)
    fewer = "layouts/groups_of_two", "ablation/across"
    assert better_seeds(rows, *fewer, "recall_small") == (0, 5)


def test_what_chapter_09_says_of_a_whole_run():
    names = "aerial_as_averaged", "aerial", "aerial_whole_run"
    lagging, shipped, whole = map(scored, names)
    metric = "final", "fd-lite"
    assert 0.75 < shipped[metric] / lagging[metric] < 0.85
    assert shipped[metric] < whole[metric] < lagging[metric]
    assert shipped["final", "miou"] < whole["final", "miou"]


def test_what_chapter_11_says_of_crops_of_one_class():
    rows = records.read(yardsticks.RESULTS / "aerial.jsonl")
    (told,) = (row for row in rows if (row["painter"], row["metric"]) == ("told", "fd-lite"))
    assert 0.3 < told["uniform"] / told["protocol"]["images"] < 0.35
    found = scored("aerial")
    assert 0.5 < found["told", "fd-lite"] / found["final", "fd-lite"] < 0.6
    assert 1.4 < found["told", "fd-lite"] / found["training", "fd-lite"] < 1.6


def test_what_chapter_11_says_of_other_networks():
    others = "aerial_whole_run", "aerial_256"
    assert in_floors("aerial_256", "fd-lite") < 0.8 * in_floors("aerial", "fd-lite")
    assert all(in_floors("aerial", "kd-lite") < in_floors(one, "kd-lite") for one in others)
