r"""Stored scores of single networks as tables: one a world, a line for each painter."""

from collections.abc import Iterator

from book.tools.pages import table
from book.tools.row_tables import heads, number
from ecgan.evaluation.yardsticks import RESULTS
from ecgan.experiments.words import METRICS
from ecgan.files import records

PAINTERS = {
    "final": "final image",
    "first": "first image",
    "real": "the real pictures",
    "training": "real pictures of other scenes",
    "flat": "flat class colours",
    "told": "final image, real where the layout is one class",
}


def scored(name: str) -> str:
    r"""The table of the rows in ``name``.jsonl: painters, the size they paint, each metric."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in records.read(RESULTS / f"{name}.jsonl"):
        found.setdefault((called(row), size(row)), {})[row["metric"]] = row["value"]
    metrics = list(dict.fromkeys(metric for values in found.values() for metric in values))
    lines = [[*line, *cells(values, metrics)] for line, values in found.items()]
    return table(["", "pixels", *heads(metrics)], lines)


def plan(name: str) -> dict[str, int]:
    r"""Steps, and pictures in each, of the network of ``name``.jsonl."""
    training = records.read(RESULTS / f"{name}.jsonl")[0]["config"]["training"]
    return {"steps": training["steps"], "batch": training["batch_size"]}


def called(row: dict) -> str:
    r"""Who painted: a network by its name, or what its pictures are held against."""
    painter = PAINTERS[row["painter"]]
    return f"`{row['checkpoint']}`, {painter}" if row["painter"] in ("final", "first") else painter


def size(row: dict) -> str:
    r"""Height and width of a row's pictures."""
    model = row["config"]["model"]
    height, width = row.get("size", (model["height"], model["width"]))
    return f"`{height} x {width}`"


def cells(values: dict[str, float], metrics: list[str]) -> Iterator[str]:
    r"""The values of one line; a dash where a painter has none."""
    return (number(values.get(m, float("nan")), METRICS[m].digits) for m in metrics)
