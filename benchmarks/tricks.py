r"""What each trick is worth: the time without it over the time with all, interleaved.

The time is that of a training step, or of a synthesis where a trick serves only that.

`python benchmarks/tricks.py` prints the ratios and appends its rows to `results/tricks.jsonl`.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch.nn.functional as F
from bench import about, seconds, synthesis
from cases import CASES, make_batch

from ecgan.fast import plain
from ecgan.fast.neighbourhoods import Rows
from ecgan.files import records
from ecgan.method.layers import LEAK
from ecgan.training import Trainer

RESULTS = Path(__file__).parent / "results" / "tricks.jsonl"
CHANNELS_LAST = ("convolutions", "known_layout", "discriminator")
WRITTEN_OVER = ("spade", "semantic_preserving", "discriminator")


def scattered(rows: Rows, table):
    r"""The sum of rows with torch's own gradient."""
    return F.embedding_bag(rows.entries, table.contiguous(), mode="sum")


def as_they_come(maps):
    r"""Maps in whatever order of memory they have."""
    return maps


def anew(maps):
    r"""LeakyReLU that keeps what it was given [R]."""
    return F.leaky_relu(maps, LEAK)


@contextmanager
def patched(*targets: tuple) -> Iterator[None]:
    r"""Other values in the named places, for a while."""
    with ExitStack() as stack:
        for place, value in targets:
            stack.enter_context(patch(f"ecgan.fast.{place}", value))
        yield


@contextmanager
def judged_apart(trainer: Trainer) -> Iterator[None]:
    r"""Each picture judged by a pass of its own, layout and all."""
    together = vars(trainer.discriminator).pop("discriminate")
    try:
        yield
    finally:
        trainer.discriminator.discriminate = together


@contextmanager
def by_the_method(trainer: Trainer) -> Iterator[None]:
    r"""Both networks as the method says."""
    with plain(trainer.generator), plain(trainer.discriminator):
        yield


def without(*targets: tuple) -> Callable[[Trainer], AbstractContextManager]:
    r"""The context of a trick left out: other values in the named places of ``ecgan.fast``."""
    return lambda trainer: patched(*targets)


TRICKS = {
    "all of them": by_the_method,
    "distinct neighbourhoods": without(("known_layout.find", lambda semantics: None)),
    "the gradient gathers too": without(("neighbourhoods.Rows.sum", scattered)),
    "a wide layout looked up": without(("semantic_preserving.WIDE", 1000)),
    "judged together": judged_apart,
    "channels side by side": without(
        *[(f"{m}.channels_last", as_they_come) for m in CHANNELS_LAST]
    ),
    "results divided, not weights": without(("convolutions.HEAVY", math.inf)),
    "few pixels, one product": without(("convolutions.FEW_PIXELS", 0)),
    "maps written over": without(*[(f"{m}.leak_", anew) for m in WRITTEN_OVER]),
}
OF_SYNTHESIS = {"synthesis: normalisation folded": without(("spade.folds", lambda spade: False))}


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
        for name, without_it in TRICKS.items():
            base = seconds(whole.step, batch)
            with without_it(whole):
                ratios[name].append(seconds(whole.step, batch) / base)
        for name, without_it in OF_SYNTHESIS.items():
            base = synthesis(whole.generator, batch.semantics)
            with without_it(whole):
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
