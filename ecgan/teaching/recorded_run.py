r"""A run as chapter 09 tells it: its log, thinned, and what it painted on its way.

``python -m ecgan.teaching.recorded_run RUN`` makes the record anew from the folder of a run that
kept its generators (``ecgan train --keep-every``). The same drawn plans are painted at a few
moments; no photograph goes in. Start it where the run was made, with as many threads: the record
names the processor, so that its seconds mean something.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from ecgan.config import ModelConfig
from ecgan.data.plans import plan, plans
from ecgan.errors import EcganError
from ecgan.files import records
from ecgan.files.pictures import as_png
from ecgan.files.whole import write_file
from ecgan.method.generator import Generator
from ecgan.method.layouts import semantics
from ecgan.synthesis import synthesize, to_bytes
from ecgan.training.average import recalibrated
from ecgan.training.facts import FACTS, recorded
from ecgan.weights.checkpoint import read_state

RECORDED = Path(__file__).parent / "recorded"
AERIAL = RECORDED / "aerial"
LOG = "log.jsonl"
PLANS = (52, 12, 56)  # seeds of what is painted
MOMENTS = 5
ROWS = 100  # at most so many of the log stay
DIGITS = 4
BATCHES, OTHERS = 12, 1000  # to recalibrate on, of plans from this seed on
# What the record says of the run; where its files lay is nobody's business.
TOLD = ("config", "classes", "processes", "precision", "compile", "commit", "versions")


class RecordingError(EcganError):
    r"""A run that cannot be recorded, or a record that is none; the message says what lacks."""


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    r"""A recorded run: its ``facts``, the ``rows`` of its log, and pictures of its way.

    ``painted`` holds, by step, the final images of the drawn ``layouts``.
    """

    facts: dict
    rows: list[dict]
    layouts: UInt8[np.ndarray, "n h w"]
    painted: dict[int, UInt8[np.ndarray, "n h w 3"]]

    def at(self, step: int) -> dict:
        r"""The row of the log that lies nearest to a step."""
        return min(self.rows, key=lambda row: abs(row["step"] - step))

    @property
    def steps(self) -> int:
        r"""How many steps the run was meant to take; its last row says how many it took."""
        return self.facts["config"]["training"]["steps"]


def record(
    run: Path, *, kept: Path | None = None, to: Path = AERIAL, batches: int = BATCHES
) -> None:
    r"""Write the record of ``run`` into the folder ``to``, in place of the one that is there.

    ``kept`` holds generators named by their steps, as the run's own kept/ does. They are averages,
    so their batch norm is recalibrated on ``batches`` of other drawn plans. Raises
    :class:`RecordingError` where the run has no log or kept nothing.
    """
    facts, rows = recorded(run), records.read(run / LOG)
    files = {int(path.stem): path for path in (kept or run / "kept").glob("[0-9]*.safetensors")}
    if facts is None or not rows or not files:
        raise RecordingError(
            f"{run} holds no run with {FACTS}, {LOG} and kept generators; train with --keep-every, "
            f"or name their folder with --kept"
        )
    model = ModelConfig(**facts["config"]["model"])
    drawn = drawn_plans(PLANS, height=model.height, width=model.width)
    steps = moments(sorted(files))
    for old in to.glob("[0-9]*.png"):
        old.unlink()
    for step in steps:
        generator = Generator(model)
        generator.load_state_dict(read_state(files[step]))
        usable = recalibrated(generator, others(model, batches=batches))
        made = synthesize(usable, torch.from_numpy(drawn).long()).final
        pixels = np.stack([to_bytes(image) for image in made])
        sheet = rearrange(pixels, "n h w c -> h (n w) c")
        write_file(to / f"{step:08d}.png", as_png(np.ascontiguousarray(sheet)))
    told = {name: facts.get(name) for name in TOLD} | {"plans": PLANS, "log_rows": len(rows)}
    told["device"] = facts["device"]
    if told["device"] == "cpu":
        threads = torch.get_num_threads()
        told["device"] = f"{records.processor()}, {threads} thread{'s' * (threads > 1)}"
    write_file(to / FACTS, json.dumps(told, indent=1).encode())
    lines = [records.as_line(shortened(row)) for row in thinned(rows, steps)]
    write_file(to / LOG, "".join(lines).encode())


def drawn_plans(seeds: Iterable[int], *, height: int, width: int) -> UInt8[np.ndarray, "n h w"]:
    r"""The plans of these seeds."""
    return np.stack([plan(height, width, seed=seed) for seed in seeds])


def moments(steps: list[int]) -> list[int]:
    r"""A few of the steps, each about as many times the one before: a run changes fast at first."""
    wanted = np.geomspace(steps[0], steps[-1], MOMENTS)
    return sorted({min(steps, key=lambda step, at=at: abs(step - at)) for at in wanted})


def others(model: ModelConfig, *, batches: int) -> Iterator[Tensor]:
    r"""Batches of plans that are not painted."""
    for first in range(OTHERS, OTHERS + 4 * batches, 4):
        drawn = plans(4, height=model.height, width=model.width, seed=first)
        yield semantics(torch.from_numpy(drawn).long(), config=model)


def thinned(rows: list[dict], steps: list[int]) -> list[dict]:
    r"""At most :data:`ROWS` rows, evenly, and those of the moments that are shown."""
    even = np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).round().astype(int)
    return [row for i, row in enumerate(rows) if i in set(even) or row["step"] in steps]


def shortened(row: dict) -> dict:
    r"""A row with so many digits as a reader wants."""
    return {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name, value in row.items()
    }


def recorded_run(folder: Path = AERIAL) -> RecordedRun:
    r"""The record in a folder, the shipped one unless given."""
    facts, rows = recorded(folder), records.read(folder / LOG)
    sheets = sorted(folder.glob("[0-9]*.png"))
    if facts is None or not rows or not sheets:
        raise RecordingError(
            f"{folder} holds no record of a run; make one with python -m "
            f"ecgan.teaching.recorded_run RUN"
        )
    model, count = facts["config"]["model"], len(facts["plans"])
    return RecordedRun(
        facts=facts,
        rows=rows,
        layouts=drawn_plans(facts["plans"], height=model["height"], width=model["width"]),
        painted={
            int(sheet.stem): rearrange(
                np.asarray(Image.open(sheet)), "h (n w) c -> n h w c", n=count
            )
            for sheet in sheets
        },
    )


def main(arguments: list[str] | None = None) -> None:
    r"""The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--kept", type=Path, help="generators by step; RUN/kept unless given")
    parser.add_argument("--to", type=Path, default=AERIAL, help="where the record goes")
    parser.add_argument("--batches", type=int, default=BATCHES, help="of plans, to recalibrate on")
    chosen = parser.parse_args(arguments)
    record(chosen.run, kept=chosen.kept, to=chosen.to, batches=chosen.batches)


if __name__ == "__main__":
    main()
