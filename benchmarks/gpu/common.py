r"""What the GPU's commands share: rows that are written at once and measured once; the clock."""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from training_speed import CASES, make_batch, make_trainer, perceptual_of

from ecgan.files import records
from ecgan.training.machine import Machine, best_device

__all__ = [
    "CASES",
    "RESULTS",
    "Rows",
    "clock",
    "make_batch",
    "make_trainer",
    "parser",
    "perceptual_of",
]
RESULTS = Path(__file__).parents[1] / "results" / "gpu.jsonl"


def parser(about: str) -> argparse.ArgumentParser:
    r"""The options that every command has."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--device", type=torch.device, default=best_device())
    made.add_argument("--results", type=Path, default=RESULTS)
    made.add_argument("--minutes", type=float, help="begin nothing new after so many")
    return made


def clock(device: torch.device) -> float:
    r"""Seconds, when the device has done all that it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class Rows:
    r"""The rows of one command, each with a key by which it is known as done."""

    def __init__(self, chosen: argparse.Namespace, *, what: str):
        self.path, self.device, self.what = chosen.results, chosen.device, what
        self.ends = None if chosen.minutes is None else time.monotonic() + 60 * chosen.minutes
        self.made: list[dict] = []

    @property
    def late(self) -> bool:
        r"""Whether the minutes are over."""
        return self.ends is not None and time.monotonic() > self.ends

    def measure(self, work: Callable[..., dict], **key) -> None:
        r"""Measure ``work(**key)`` unless its row is there or the time is over; write its row."""
        key, facts = {"what": self.what} | key, {"device": Machine(device=self.device).name}
        same = [row for row in records.read(self.path) if (key | facts).items() <= row.items()]
        if self.late or any(row["error"] is None for row in same):
            print(*key.values(), "out of time" if self.late else "is there", flush=True)
            return
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            found = {"error": None} | work(**{name: key[name] for name in list(key)[1:]})
        except Exception as error:  # half an hour is too short to stop at the first failure
            found = {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
        cuda = self.device.type == "cuda"
        facts["memory"] = torch.cuda.max_memory_allocated(self.device) if cuda else None
        facts |= {"commit": records.commit(), "versions": records.versions()}
        facts["time"] = datetime.now(UTC).isoformat(timespec="seconds")
        self.made.append(key | found | facts)
        records.append(self.path, self.made[-1:])
        print(*key.values(), found, flush=True)
