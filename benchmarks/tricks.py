r"""What each trick is worth: the time without it over the time with all, interleaved.

The time is that of a training step, or of a synthesis where a trick serves only that.

`python benchmarks/tricks.py` prints the ratios and appends its rows to `results/tricks.jsonl`.
"""

import argparse
import math
import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch.nn.functional as F
from bench import about, seconds, synthesis
from cases import CASES, make_batch
from reference import NEW_MAPS, NaiveDiscriminator, patched

from ecgan.fast.neighbourhoods import Rows
from ecgan.files import records
from ecgan.method.spade import LayoutPyramid
from ecgan.training import Trainer

RESULTS = Path(__file__).parent / "results" / "tricks.jsonl"


def scattered(rows: Rows, table):
    r"""The sum of rows with torch's own gradient."""
    return F.embedding_bag(rows.entries, table.contiguous(), mode="sum")


def judged_apart(self: Trainer, batch, made):
    r"""Each picture judged by a pass of its own, layout and all."""

    def own(picture):
        return NaiveDiscriminator.forward(self.discriminator, batch.semantics, picture)

    pictures = made.pictures()
    targets = batch.targets(pictures)
    fake = {name: own(picture) for name, picture in pictures.items()}
    return fake, {name: own(target) for name, target in targets.items()}


def as_they_come(maps):
    r"""Maps in whatever order of memory they have."""
    return maps


PYRAMID = "ecgan.method.generator.LayoutPyramid"
TRICKS = {
    "distinct neighbourhoods": [(PYRAMID, partial(LayoutPyramid, gather=False))],
    "the gradient gathers too": [("ecgan.fast.neighbourhoods.Rows.sum", scattered)],
    "a wide layout looked up": [("ecgan.method.generator.WIDE", 1000)],
    "judged together": [("ecgan.training.Trainer._judge", judged_apart)],
    "channels side by side": [
        (f"ecgan.{module}.channels_last", as_they_come)
        for module in ("generator", "discriminator", "losses.objective")
    ],
    "results divided, not weights": [("ecgan.method.layers.HEAVY", math.inf)],
    "few pixels, one product": [("ecgan.method.layers.FEW_PIXELS", 0)],
    "maps written over": NEW_MAPS,
}
OF_SYNTHESIS = {
    "synthesis: normalisation folded": [("ecgan.method.spade.SPADE.folds", lambda spade: False)]
}


def measure(case: str, *, repeats: int, layouts: Path | None) -> list[dict]:
    r"""A row a trick: the ratios, without it over with all."""
    config = CASES[case].config()
    whole = Trainer(config=config)
    apart = replace(config, training=replace(config.training, simultaneous=False))
    alternating = Trainer(config=apart)
    ratios = {name: [] for name in ("both updates from one pass", *TRICKS, *OF_SYNTHESIS)}
    for number in range(repeats + 1):
        batch = make_batch(CASES[case], layouts, number=number)
        base = seconds(whole.step, batch)
        ratios["both updates from one pass"].append(seconds(alternating.step, batch) / base)
        for name, targets in TRICKS.items():
            base = seconds(whole.step, batch)
            with patched(*targets):
                ratios[name].append(seconds(whole.step, batch) / base)
        for name, targets in OF_SYNTHESIS.items():
            base = synthesis(whole.generator, batch.semantics)
            with patched(*targets):
                ratios[name].append(synthesis(whole.generator, batch.semantics) / base)
    return [
        {
            "metric": name,
            "value": statistics.median(values[1:]),
            "spread": [min(values[1:]), max(values[1:])],
            "repeats": repeats,
            "protocol": "seconds without the trick / with all, interleaved",
        }
        for name, values in ratios.items()
    ]


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES)[1:])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--layouts", type=Path, help="label PNGs for 183 classes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    done = []
    for case in chosen.cases:
        layouts = chosen.layouts if case == "183 classes" else None
        for row in measure(case, repeats=chosen.repeats, layouts=layouts):
            low, high = row["spread"]
            print(f"{case:14}{row['metric']:34}{row['value']:6.2f}   {low:.2f} to {high:.2f}")
            done.append(about(case, layouts=layouts) | row)
    records.append(chosen.results, done)
    return done


if __name__ == "__main__":
    main()
