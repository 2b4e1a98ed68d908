r"""The ablation's cells, the most important first: one trains, the others draw and score."""

import time
from argparse import Namespace
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import torch
from common import parser

from ecgan.experiments import grid as grids
from ecgan.experiments import trial
from ecgan.experiments.grid import read_grid

GRID = Path(grids.__file__).with_name("grid.yaml")


def share(turns: Semaphore) -> None:
    r"""What each process is told at its start: who may train."""
    run.turn = turns
    torch.set_num_threads(1)


def run(chosen: Namespace, name: str) -> tuple[str, list[dict] | str]:
    r"""The rows of one cell, written with its pictures; or what went wrong."""
    (cell,) = [cell for cell in read_grid(chosen.grid).cells if cell.name == name]
    device = replace(cell.plan.trial, device=str(chosen.device))
    cell = replace(cell, plan=replace(cell.plan, trial=device))
    try:
        done = trial.run(cell, data=chosen.data, turn=run.turn)
        done.write(chosen.out / f"{name}.jsonl")
        return name, done.rows
    except Exception as error:  # the other cells go on
        return name, f"{type(error).__name__}: {error}"


def main(arguments: list[str] | None = None) -> list[dict]:
    made = parser(__doc__)
    made.add_argument("--grid", type=Path, default=GRID)
    made.add_argument("--data", type=Path, help="the folder of photographs, for grids with some")
    made.add_argument("--out", type=Path, required=True, help="a folder: a file of rows a cell")
    made.add_argument("--at-once", type=int, default=8, help="processes")
    made.add_argument("--training", type=int, default=1, help="of them that train at once")
    made.add_argument("--experiments", nargs="+")
    chosen, found = made.parse_args(arguments), []
    files = {
        cell.name: chosen.out / f"{cell.name}.jsonl"
        for cell in read_grid(chosen.grid).cells
        if chosen.experiments is None or cell.experiment in chosen.experiments
    }
    names = [name for name, file in files.items() if not file.is_file()]
    ends = time.monotonic() + 60 * (float("inf") if chosen.minutes is None else chosen.minutes)
    spawn = get_context("spawn")
    # A process a run: a device's graphs and memory go with it.
    pools = {"initializer": share, "initargs": (spawn.Semaphore(chosen.training),)}
    with ProcessPoolExecutor(
        chosen.at_once, mp_context=spawn, max_tasks_per_child=1, **pools
    ) as pool:
        waiting = set(names)
        going: set[Future] = set()
        while going or (waiting and time.monotonic() < ends):
            while waiting and len(going) < chosen.at_once and time.monotonic() < ends:
                name = next(name for name in names if name in waiting)
                waiting.discard(name)
                going.add(pool.submit(run, chosen, name))
            done, going = wait(going, return_when=FIRST_COMPLETED)
            for name, rows in (one.result() for one in done):
                if isinstance(rows, str):
                    print(name, "failed:", rows, flush=True)
                    continue
                found += rows
                print(name, "done", flush=True)
    return found


if __name__ == "__main__":
    main()
