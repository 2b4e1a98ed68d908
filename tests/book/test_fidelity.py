r"""The fidelity ledger: each constant is the code's, each tag is known, the page is the data's."""

import importlib
import json
from dataclasses import fields

import pytest

from book.tools import fidelity
from ecgan.config import ContrastConfig, LossConfig, ModelConfig, TrainingConfig
from ecgan.readers.segmenter import UNet
from support.chapters import ROOT

ROWS = [row for section in fidelity.sections() for row in section["row"]]
CHECKS = {expression: value for row in ROWS for expression, value in row.get("checks", {}).items()}
# What expressions may name besides what their module holds.
EXTRA = {"ModelConfig": ModelConfig, "TrainingConfig": TrainingConfig, "UNet": UNet}
CELLS = [(row["what"], name, row[name]) for row in ROWS for name in fidelity.COLUMNS if name in row]


def evaluate(expression: str):
    r"""The value of "module:expression", as JSON has it: tuples are lists."""
    module, code = expression.split(":", 1)
    names = vars(importlib.import_module(f"ecgan.{module}"))
    return json.loads(json.dumps(eval(code, {**names, **EXTRA})))


def same(found, expected) -> bool:
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return type(found) is type(expected) and found == expected
    return not isinstance(found, bool) and found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("expression", CHECKS)
def test_the_code_has_the_constant_of_the_page(expression):
    found = evaluate(expression)
    assert same(found, CHECKS[expression]), f"{expression} is {found}, says the code"


def test_the_comparison_tells():
    assert same([1, [0.5]], [1.0, [0.5]])
    assert not same([1, 2], [1])
    assert not same(True, 1)
    assert not same(0, False)
    assert not same("a", "b")
    assert not same(0.1, 0.1001)


def test_no_expression_is_checked_twice():
    listed = [expression for row in ROWS for expression in row.get("checks", {})]
    assert len(listed) == len(set(listed))
    assert len(listed) > 60


@pytest.mark.parametrize(("what", "column", "cell"), CELLS)
def test_each_cell_has_a_tag_that_may_stand_there(what, column, cell):
    tag, text = cell
    allowed = {"paper": "ASP", "released": "R", "ours": "ASRPI"}[column]
    assert tag in allowed, f"{what}: {column} cannot be [{tag}]"
    assert text.strip()
    assert "|" not in text


def test_ours_follows_a_source_that_says_something():
    for row in ROWS:
        tag = row["ours"][0]
        source = {"A": "paper", "S": "paper", "P": "paper", "R": "released"}.get(tag)
        assert source is None or source in row, f"{row['what']}: [{tag}] without a source"
        assert row["ours"][1] != "the same" or tag == "R", row["what"]


def test_titles_and_entries_are_unique():
    titles = [section["title"] for section in fidelity.sections()]
    assert len(titles) == len(set(titles))
    for section in fidelity.sections():
        names = [row["what"] for row in section["row"]]
        assert len(names) == len(set(names)), section["title"]
        assert {"title", "row"} <= set(section) <= {"title", "chapters", "row"}
        for chapter in section.get("chapters", []):
            assert (ROOT / "notebooks" / f"{chapter}.ipynb").is_file()
        for row in section["row"]:
            assert set(row) <= {"what", "checks", *fidelity.COLUMNS}


@pytest.mark.parametrize("config", [ModelConfig, LossConfig, ContrastConfig, TrainingConfig])
def test_every_choice_of_a_config_is_in_the_ledger(config):
    text = fidelity.DATA.read_text()
    left_out = {"seed", "steps", "height", "width", "contrast"}  # a run's own, or a nested config
    missing = [f.name for f in fields(config) if f.name not in text and f.name not in left_out]
    assert missing == []


def test_the_page_is_written_from_the_data():
    assert fidelity.PAGE.read_text() == fidelity.render(), "run python -m book.tools.fidelity"


def test_the_page_shows_every_entry():
    page = fidelity.PAGE.read_text()
    assert all(f"| {row['what']} |" in page for row in ROWS)
    assert all(f"**[{tag}]**" in page for tag in fidelity.TAGS)
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in lines} == {3}
