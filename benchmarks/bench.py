r"""Speed against the released schedule: interleaved steps of both, ratios with their spread.

`python benchmarks/bench.py` prints the table and appends its rows to `results/speed.jsonl`.
`--layouts FOLDER` gives the case of 183 classes real label maps in place of toy scenes.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch
from cases import CASES, METRICS, make_batch
from reference import ReleasedTrainer

from ecgan.files import records
from ecgan.method.batch import Batch
from ecgan.training import Trainer

RESULTS = Path(__file__).parent / "results" / "speed.jsonl"
REAL = "183 classes"  # the case that --layouts is for
SYNTHESES = 4  # for each step: they are short, and what is short is noisy
PROTOCOLS = {
    "time": "ours / released, interleaved in one process, a batch after another, median and range",
    "peak": "largest resident memory of a process of its own after two steps, ours / released",
}


def about(case: str, *, layouts: Path | None) -> dict:
    r"""What is needed to read a row later."""
    return {
        "case": case,
        "config": asdict(CASES[case].config()),
        "layouts": "toy scenes" if layouts is None else "real",
        "seed": 0,
        "commit": records.commit(),
        "versions": records.versions(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": f"{records.processor()}, {torch.get_num_threads()} threads",
    }


def seconds(work: Callable[..., object], *arguments) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def map_by_map(batch: Batch) -> Batch:
    r"""The batch with its layouts map after map in memory, as the released code has them."""
    return batch._replace(semantics=batch.semantics.contiguous())


def synthesis(generator: torch.nn.Module, layout: torch.Tensor) -> float:
    r"""Seconds of one synthesis."""
    generator.eval()
    with torch.inference_mode():
        taken = seconds(generator, layout)
    generator.train()
    return taken


def compare(case: str, *, repeats: int, layouts: Path | None) -> dict[str, list[list[float]]]:
    r"""Seconds of ours and of the released, a pair a repeat, for each metric of time."""
    chosen = CASES[case]
    released = ReleasedTrainer(chosen.config())
    ours = {name: Trainer(config=chosen.config(name)) for name in ("fp32", "bf16")}
    pairs: dict[str, list[list[float]]] = {metric: [] for metric in METRICS[:3]}
    for number in range(repeats + 1):
        if number == 1:  # what came before warmed up
            pairs = {metric: [] for metric in pairs}
        batch = make_batch(CASES[case], layouts, number=number)
        plain = map_by_map(batch)
        theirs = seconds(released.step, plain)
        for name, trainer in ours.items():
            pairs[f"step {name}"].append([seconds(trainer.step, batch), theirs])
        for _ in range(SYNTHESES):
            theirs = synthesis(released.generator, plain.semantics)
            mine = synthesis(ours["fp32"].generator, batch.semantics)
            pairs["inference fp32"].append([mine, theirs])
    return pairs


def peak(case: str, side: str, *, layouts: Path | None) -> float:
    r"""The largest resident memory, GiB, of a fresh process that takes two steps."""
    command = [sys.executable, __file__, "--cases", case, "--peak-of", side]
    command += [] if layouts is None else ["--layouts", str(layouts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def highest_memory() -> int:
    r"""The largest resident memory so far, KiB; where Linux says it, that of this program alone."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    highest = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(highest[0]) if highest else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_here(case: str, side: str, *, layouts: Path | None) -> float:
    config = CASES[case].config()
    if side == "released":
        trainer = ReleasedTrainer(config)
    else:
        trainer = Trainer(config=config, recompute=side == "recomputing")
    for number in range(2):
        batch = make_batch(CASES[case], layouts, number=number)
        if side == "released":
            batch = map_by_map(batch)
        trainer.step(batch)
    return highest_memory() / 2**20


def row(metric: str, pairs: list[list[float]], *, protocol: str, unit: str) -> dict:
    r"""A ratio with its range, and both sides' medians."""
    ratios = [ours / released for ours, released in pairs]
    ours, released = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "metric": metric,
        "value": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "repeats": len(ratios),
        "ours": ours,
        "released": released,
        "unit": unit,
        "protocol": protocol,
    }


def measure(case: str, *, repeats: int, layouts: Path | None) -> list[dict]:
    r"""The rows of a case; of memory alone where nothing is repeated."""
    timed = compare(case, repeats=repeats, layouts=layouts) if repeats else {}
    found = [row(m, pairs, protocol=PROTOCOLS["time"], unit="s") for m, pairs in timed.items()]
    released = peak(case, "released", layouts=layouts)
    for metric, side in (("peak memory", "ours"), ("recomputing", "recomputing")):
        pair = [peak(case, side, layouts=layouts), released]
        found.append(row(metric, [pair], protocol=PROTOCOLS["peak"], unit="GiB"))
    return [about(case, layouts=layouts) | one for one in found]


def show(one: dict) -> str:
    r"""A row as a line of the table."""
    low, high = one["spread"]
    aim = (CASES[one["case"]].targets or {}).get(one["metric"])
    return (
        f"{one['case']:14}{one['metric']:16}{one['value']:6.2f}   {low:.2f} to {high:.2f}   "
        f"{'' if aim is None else f'{aim:.2f}':6}"
        f"{one['ours']:8.2f} {one['released']:8.2f} {one['unit']}"
    )


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES)[1:])
    parser.add_argument("--repeats", type=int, default=3, help="0: memory alone")
    parser.add_argument("--layouts", type=Path, help=f"label PNGs for {REAL}, not toy scenes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--peak-of", choices=("ours", "recomputing", "released"), help=argparse.SUPPRESS
    )
    chosen = parser.parse_args(arguments)
    if chosen.peak_of:
        print(peak_here(chosen.cases[0], chosen.peak_of, layouts=chosen.layouts))
        return []
    done = []
    print(f"{'case':14}{'metric':16}{'ratio':>6}   {'range':14}{'target':6}{'ours':>8} released")
    for case in chosen.cases:
        layouts = chosen.layouts if case == REAL else None
        for one in measure(case, repeats=chosen.repeats, layouts=layouts):
            print(show(one), flush=True)
            done.append(one)
    records.append(chosen.results, done)
    return done


if __name__ == "__main__":
    main(sys.argv[1:])
