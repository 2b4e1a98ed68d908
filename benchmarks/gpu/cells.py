r"""The ablation's cells on the device, as many at once as fill it, the most important first."""

import time
from argparse import Namespace
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from common import parser

from ecgan.experiments import grid as grids
from ecgan.experiments import trial
from ecgan.experiments.grid import read_grid
from ecgan.files import records

GRID = Path(grids.__file__).with_name("grid.yaml")


def run(chosen: Namespace, name: str) -> tuple[str, list[dict] | str]:
    r"""The rows of one cell, or what went wrong."""
    (cell,) = [cell for cell in read_grid(chosen.grid).cells if cell.name == name]
    device = replace(cell.plan.trial, device=str(chosen.device))
    try:
        return name, trial.run(replace(cell, plan=replace(cell.plan, trial=device))).rows
    except Exception as error:  # the other cells go on
        return name, f"{type(error).__name__}: {error}"


def main(arguments: list[str] | None = None) -> list[dict]:
    made = parser(__doc__)
    made.add_argument("--grid", type=Path, default=GRID)
    made.add_argument("--out", type=Path, required=True, help="a folder: a file of rows a cell")
    made.add_argument("--at-once", type=int, default=8)
    made.add_argument("--experiments", nargs="+")
    chosen, found = made.parse_args(arguments), []
    files = {
        cell.name: chosen.out / f"{cell.name}.jsonl"
        for cell in read_grid(chosen.grid).cells
        if chosen.experiments is None or cell.experiment in chosen.experiments
    }
    names = [name for name, file in files.items() if not file.is_file()]
    ends = time.monotonic() + 60 * (float("inf") if chosen.minutes is None else chosen.minutes)
    with ProcessPoolExecutor(chosen.at_once, mp_context=get_context("spawn")) as pool:
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
                records.append(files[name], rows)
                found += rows
                print(name, "done", flush=True)
    return found


if __name__ == "__main__":
    main()
