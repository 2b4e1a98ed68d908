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


def test_a_ratio_has_its_range_where_it_was_repeated():
    row = {"value": 0.5, "spread": [0.4, 0.6], "repeats": 3}
    assert performance.ratio(row) == "0.50 (0.40 to 0.60)"
    assert performance.ratio(row | {"repeats": 1}) == "0.50"


def test_a_processor_that_was_limited_stands_in_its_own_table_alone(tmp_path, monkeypatch):
    measured = {"fp32": 200, "bf16": 400}
    rows = [
        {"case": "machine", "metric": f"convolution {name}", "value": value, "device": "A"}
        for name, value in measured.items()
    ]
    limited = f"A {performance.records.LIMITED} AVX2"
    rows += [row | {"device": limited, "value": row["value"] / 8} for row in rows]
    (tmp_path / "parts.jsonl").write_text("".join(map(performance.records.as_line, rows)))
    monkeypatch.setattr(performance, "RESULTS", tmp_path)
    assert [row["value"] for row in performance.rows("parts")] == [200, 400]
    table = performance.processors()
    assert "| A | 200 | 400 | 2.00 |" in table
    assert f"| {limited} | 25 | 50 | 2.00 |" in table
