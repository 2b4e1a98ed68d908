r"""What holds the GPU back: stops for a number, compiling, CUDA graphs, a profile of a step."""

import statistics
import warnings
from dataclasses import replace
from itertools import product

import torch
from common import CASES, Rows, clock, make_batch, make_trainer, parser
from torch.profiler import ProfilerActivity, profile

from ecgan.config import Config
from ecgan.training import Machine, Trainer
from ecgan.training.compiled import compile_networks
from ecgan.training.recorded import record_updates

WAYS = {"eager": None, "recorded": None, "compiled": ["default"]}
WAYS |= {"compiled, CUDA graphs": ["reduce-overhead"]}
WARM_UP, STEPS, SHOWN = 5, 10, 15


def stops(trainer: Trainer, batch) -> int | None:
    r"""How often one step lets the processor wait for the GPU; None without one."""
    if trainer.machine.device.type != "cuda":
        return None
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            trainer.step(batch)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return sum("called a synchronizing" in str(warning.message) for warning in told)


def longest(trainer: Trainer, batch) -> list[dict]:
    r"""The operations of a step that take the most time on the device, and how often each ran."""
    cuda = trainer.machine.device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=kinds) as seen:
        trainer.step(batch)
        clock(trainer.machine.device)
    own = "self_device_time_total" if cuda else "self_cpu_time_total"
    found = sorted(seen.key_averages(), key=lambda one: getattr(one, own), reverse=True)
    return [
        {"name": one.key, "calls": one.count, "ms": getattr(one, own) / 1000}
        for one in found[:SHOWN]
    ]


def config_of(case: str, size: int, precision: str, batch_size: int) -> Config:
    config = CASES[case]
    return replace(
        config,
        model=replace(config.model, height=size, width=size),
        training=replace(config.training, precision=precision, batch_size=batch_size),
    )


def main(arguments: list[str] | None = None) -> list[dict]:
    made = parser(__doc__)
    made.add_argument("--case", choices=CASES, default="toy")
    made.add_argument("--sizes", nargs="+", type=int, default=[64, 128, 256])
    made.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    made.add_argument("--precision", default="bf16")
    made.add_argument("--batch-size", type=int, default=4)
    made.add_argument("--steps", type=int, default=STEPS)
    chosen = made.parse_args(arguments)
    rows = Rows(chosen, what="stops")

    def look(case: str, size: int, way: str, precision: str, batch_size: int) -> dict:
        machine = Machine(precision=precision, device=chosen.device)
        config = config_of(case, size, precision, batch_size)
        trainer, told = make_trainer(config, machine, compiled=False), []
        machine.tell = told.append
        if WAYS[way] is not None:
            compile_networks(trainer, modes=WAYS[way])
        elif way == "recorded":
            record_updates(trainer)
        batch, taken = make_batch(config, chosen.device), []
        for _ in range(WARM_UP + chosen.steps):
            start = clock(chosen.device)
            trainer.step(batch)
            taken.append(1000 * (clock(chosen.device) - start))
        measured = taken[WARM_UP:]
        return {
            "ms": statistics.median(measured),
            "spread": [min(measured), max(measured)],
            "first_ms": taken[0],
            "stops": stops(trainer, batch),
            "longest": longest(trainer, batch),
            "told": told,
        }

    for size, way in product(chosen.sizes, chosen.ways):
        rows.measure(
            look,
            case=chosen.case,
            size=size,
            way=way,
            precision=chosen.precision,
            batch_size=chosen.batch_size,
        )
    return rows.made


if __name__ == "__main__":
    main()
