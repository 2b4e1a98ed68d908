r"""Stored scores of single networks as tables: one a world, a line for each painter."""

from collections.abc import Iterator

from book.tools.pages import table
from book.tools.row_tables import heads, number
from ecgan.evaluation.yardsticks import RESULTS
from ecgan.experiments.comparison import NOT_RUN
from ecgan.experiments.words import METRICS
from ecgan.files import records

NETWORKS = ("toy", "toy_128", "aerial", "facades")
PAINTERS = {
    "final": "final image",
    "first": "first image",
    "real": "the real pictures",
    "training": "real pictures of other scenes",
    "flat": "flat class colours",
    "told": "final image, real where the layout is one class",
}


def read_networks() -> dict[str, list[dict]]:
    r"""The stored rows of the page's networks, by the name of their file."""
    return {name: records.read(RESULTS / f"{name}.jsonl") for name in NETWORKS}


def scored(rows: list[dict]) -> str:
    r"""A table of rows: who painted, and each metric."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(called(row), {})[row["metric"]] = row["value"]
    metrics = list(dict.fromkeys(metric for values in found.values() for metric in values))
    lines = [[painter, *cells(values, metrics)] for painter, values in found.items()]
    return table(["", *heads(metrics)], lines)


def plan(rows: list[dict]) -> dict[str, int | str]:
    r"""Steps, and pictures in each, of the network that the rows tell of."""
    if not rows:
        return {"steps": NOT_RUN, "batch": NOT_RUN}
    training = rows[0]["config"]["training"]
    return {"steps": training["steps"], "batch": training["batch_size"]}


def called(row: dict) -> str:
    r"""Who painted: a network by its name, or what its pictures are held against."""
    painter = PAINTERS[row["painter"]]
    return f"`{row['checkpoint']}`, {painter}" if row["painter"] in ("final", "first") else painter


def cells(values: dict[str, float], metrics: list[str]) -> Iterator[str]:
    r"""The values of one line; a dash where a painter has none."""
    return (number(values.get(m, float("nan")), METRICS[m].digits) for m in metrics)
