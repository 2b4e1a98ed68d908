r"""Kills a training run by SIGKILL again and again, and takes it up each time.

Run as a program, with a folder: it stays free of gradients itself, so that it may fork.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch._dynamo  # every optimiser asks for it, slowly: once, before forking, is enough

from ecgan.files import whole
from ecgan.training import RunSettings, Trainer, fit
from support import tiny_run

SETTINGS = RunSettings(checkpoint_every=3, log_every=2, sample_every=5, cpu=True)
CONFIG = tiny_run.config(steps=32, ema=0.5, losses=tiny_run.WITH_MEMORY)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, owner: object, name: str, *, before: Callable = lambda *_: None) -> None:
    r"""Let the process die in the ``number``-th call of a function, after doing ``before``."""
    whole, calls = getattr(owner, name), iter(range(1, 10**9))

    def counted(*arguments, **keywords):
        if next(calls) == number:
            before(*arguments)
            die()
        return whole(*arguments, **keywords)

    setattr(owner, name, counted)


def half(path: Path, content: bytes) -> None:
    r"""As much of a file as a kill in the middle of writing leaves."""
    path.write_bytes(content[: len(content) // 2])


def in_removal() -> None:
    r"""Let the process die when an old checkpoint is half removed."""
    whole = shutil.rmtree

    def remove(path: Path, **keywords) -> None:
        if path.is_dir() and "removed" in path.name:
            next(path.iterdir()).unlink()
            die()
        whole(path, **keywords)

    shutil.rmtree = remove


# Where the run dies, one after the other, each time taken up from what is on disk.
DEATHS: list[Callable[[], None]] = [
    lambda: at_call(1, Trainer, "step"),
    lambda: at_call(2, torch.amp.GradScaler, "step"),  # the generator moved, the other one did not
    lambda: at_call(3, whole, "_put", before=half),  # in the first checkpoint
    lambda: at_call(5, Trainer, "step"),
    lambda: at_call(12, whole, "_put", before=half),
    lambda: at_call(8, torch.Tensor, "backward"),
    lambda: at_call(10, whole, "sync_folder"),  # a checkpoint is there, an old one not yet gone
    in_removal,
    lambda: at_call(9, whole, "_put", before=half),
    lambda: at_call(4, whole, "remove_folder"),
    lambda: at_call(3, Path, "replace"),
]


def start(folder: Path, death: Callable[[], None] | None, *, patience: float | None = None) -> str:
    r"""Fork a run and wait for its end; after ``patience`` seconds it is killed from outside."""
    child = os.fork()
    if child == 0:
        if death is not None:
            death()
        fit(CONFIG, folder, segmenter=tiny_run.segmenter(), settings=SETTINGS)
        os._exit(0)
    if patience is not None:
        time.sleep(patience)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ended"


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    began = time.monotonic()
    print("whole", start(folder / "whole", None))
    lasted = time.monotonic() - began
    for number, death in enumerate(DEATHS):
        print(f"death {number}", start(folder / "killed", death))
    for share in (0.1, 0.2, 0.3):
        print("outside", start(folder / "killed", None, patience=share * lasted))
    print("last", start(folder / "killed", None))
    shutil.copytree(folder / "killed", folder / "again")
    print("again", start(folder / "again", None))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
