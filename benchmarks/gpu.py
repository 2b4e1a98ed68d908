r"""The same comparison on a GPU: precisions, eager and compiled, distinct neighbourhoods or not.

`python benchmarks/gpu.py` prints a table and appends its rows to `results/gpu.jsonl`.
"""

import argparse
import statistics
import time
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import torch
from bench import about
from cases import CASES, Case, make_batch

from ecgan.files import records
from ecgan.method.batch import Batch
from ecgan.method.spade import LayoutPyramid
from ecgan.training import Trainer
from ecgan.training.machine import Machine

RESULTS = Path(__file__).parent / "results" / "gpu.jsonl"
WAYS = ("dense", "distinct", "compiled")
LARGE = ((256, 256), (256, 512))


def milliseconds(work, *arguments, device: torch.device, repeats: int) -> list[float]:
    r"""What each run takes, the device's queue emptied before and after."""

    def wait() -> None:
        if device.type != "cpu":
            torch.accelerator.synchronize(device)

    found = []
    for _ in range(repeats + 2):  # the first two warm up
        wait()
        start = time.perf_counter()
        work(*arguments)
        wait()
        found.append(1000 * (time.perf_counter() - start))
    return found[2:]


def measure(case: Case, *, device: torch.device, precision: str, way: str, repeats: int) -> dict:
    r"""A training step: "dense" or "distinct" neighbourhoods, or dense and "compiled"."""
    config = case.config(precision)
    trainer = Trainer(config=config, machine=Machine(precision=precision, device=device))
    trainer.generator.pyramid = partial(LayoutPyramid, gather=way == "distinct")
    if way == "compiled":
        trainer.generator.compile()
        trainer.discriminator.compile()
    batch = Batch(*(part.to(device) for part in make_batch(case)))
    taken = milliseconds(trainer.step, batch, device=device, repeats=repeats)
    return {
        "metric": "step",
        "way": way,
        "precision": precision,
        "unit": "ms",
        "value": statistics.median(taken),
        "spread": [min(taken), max(taken)],
    }


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES)[1:])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "tf32", "bf16"])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    done = []
    for name in chosen.cases:
        own = (CASES[name].model.height, CASES[name].model.width)
        sizes = LARGE if own in LARGE else [own]
        for (height, width), count in product(sizes, chosen.batches):
            model = replace(CASES[name].model, height=height, width=width)
            case = replace(CASES[name], model=model, batch=count)
            for precision, way in product(chosen.precisions, WAYS):
                found = measure(
                    case,
                    device=chosen.device,
                    precision=precision,
                    way=way,
                    repeats=chosen.repeats,
                )
                found |= {"size": [height, width], "batch": count, "device": str(chosen.device)}
                done.append(about(name, layouts=None) | found)
                print(f"{name:12} {height} x {width} {count:3} {precision} {way:9}", end=" ")
                print(f"{found['value']:9.1f} ms", flush=True)
    records.append(chosen.results, done)
    return done


if __name__ == "__main__":
    main()
