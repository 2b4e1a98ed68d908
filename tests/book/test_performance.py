r"""The page on speed: written from its rows, which are whole and from one machine."""

import json

import pytest

from book.tools import performance

FILES = {name: performance.rows(name) for name in ("speed", "parts", "tricks")}


def test_the_page_is_written_from_the_rows():
    assert performance.PAGE.read_text() == performance.render(), (
        "run python -m book.tools.performance"
    )


def test_chapter_03_says_what_the_rows_say():
    assert json.dumps(performance.on_real_layouts())[1:-1] in performance.CHAPTER.read_text()


@pytest.mark.parametrize("name", FILES)
def test_each_row_says_where_it_comes_from(name):
    assert FILES[name]
    for row in FILES[name]:
        assert {"metric", "value", "commit", "versions", "device", "time"} <= row.keys()


def test_a_missed_target_says_so():
    row = {"value": 0.5, "spread": [0.4, 0.6], "repeats": 3}
    assert "met" in performance.ratio(row, 0.5)
    assert "missed" in performance.ratio(row, 0.49)
