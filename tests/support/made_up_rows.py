r"""Rows of a grid without its runs: numbers from dice, for pages and figures that read them."""

import random
from collections.abc import Iterable

from ecgan.experiments.grid import Cell
from ecgan.experiments.words import METRICS

LITE = {"fid": "fd-lite", "kid": "kd-lite"}


def made_up(cells: Iterable[Cell]) -> list[dict]:
    r"""Rows of every metric for each cell; the same cell always has the same."""
    rows = []
    for cell in cells:
        dice = random.Random(cell.name)
        photographs = cell.plan.config.data.name == "aerial"
        facts = {"experiment": cell.experiment, "variant": cell.variant, "seed": cell.seed}
        facts |= {"config": cell.plan.config.to_dict(), "commit": "0" * 40, "device": "dice"}
        facts |= {"versions": {"dice": "1"}, "seconds": 60.0, "threads": 1}
        kinds = [("final", 1.0)]
        metrics = [name for name in METRICS if name not in LITE.values()]
        if cell.measure == "training":
            kinds += [("first", 1.0), ("final", 0.25), ("final", 0.5)]
        if cell.measure == "similarity":
            metrics = ["similarity", "similarity_exact", "similarity_spread"]
        for picture, share in kinds:
            for metric in metrics:
                name = LITE.get(metric, metric) if photographs else metric
                row = {"metric": name, "value": dice.random(), "picture": picture, "share": share}
                protocol = {"name": "dice", "says": "a number from dice", "share": 0.5}
                rows.append(row | {"protocol": protocol} | facts)
    return rows
