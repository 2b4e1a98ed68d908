r"""Checkpoints of a run: all that the next step depends on, the last two kept (chapter 09)."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from ecgan.files.records import versions
from ecgan.files.whole import (
    DamagedFolder,
    RunError,
    check_folder,
    remove_folder,
    write_folder,
)
from ecgan.training.trainer import NETWORKS, Trainer

KEPT = 2
STATE = "state.json"
OWN_PARTS = ("contrast.", "decoder.")  # of the objective; its frozen networks come from elsewhere


def _on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def _own(trainer: Trainer) -> dict[str, Tensor]:
    state = trainer.objective.state_dict()
    return {name: value for name, value in state.items() if name.startswith(OWN_PARTS)}


def _moments(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimiser.state_dict()["state"]
    return {f"{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}


def _random_states(trainer: Trainer) -> dict:
    r"""This process's generators, and what its own batches left in the memory banks."""
    state = {"torch": torch.get_rng_state()}
    if trainer.machine.device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(trainer.machine.device)
    banks = {name: value for name, value in _own(trainer).items() if ".banks." in f".{name}"}
    numpy_state = np.random.get_state()  # noqa: NPY002
    return {
        "tensors": _on_cpu(state | banks),
        "python": random.getstate(),
        "numpy": [numpy_state[0], numpy_state[1].tolist(), *numpy_state[2:]],
    }


def snapshot(trainer: Trainer, *, step: int) -> dict[str, Callable[[], bytes]]:
    r"""The files of a checkpoint by name, each made when it is asked for.

    All processes take part; what the main one is given holds every process's random states.
    """
    processes = trainer.machine.gather(_random_states(trainer))
    state = {
        "step": step,
        "config": trainer.config.to_dict(),
        "processes": len(processes),
        "scaler": trainer.machine.scaler.state_dict(),
        "schedules": [schedule.state_dict() for schedule in trainer.schedules],
        "rates": [optimiser.param_groups[0]["lr"] for optimiser in trainer.optimisers],
        "averaged": 0 if trainer.average is None else int(trainer.average.n_averaged),
        "random": [{key: entry[key] for key in ("python", "numpy")} for entry in processes],
        "versions": versions(),
    }
    parts = {
        "generator": lambda: trainer.generator.state_dict(),
        "discriminator": lambda: trainer.discriminator.state_dict(),
        "objective": lambda: _own(trainer),
    }
    if trainer.average is not None:
        parts["average"] = lambda: trainer.average.module.state_dict()
    for name, optimiser in zip(NETWORKS, trainer.optimisers, strict=True):
        parts[f"{name}_adam"] = lambda it=optimiser: _moments(it)
    for rank, entry in enumerate(processes):
        parts[f"process_{rank}"] = lambda it=entry: it["tensors"]
    # No text in these files: its order would differ from time to time, and so would their hashes.
    files = {
        f"{name}.safetensors": lambda of=make: save(_on_cpu(of())) for name, make in parts.items()
    }
    files[STATE] = lambda: json.dumps(state).encode()
    return files


def read_state(folder: Path) -> dict:
    r"""What a checkpoint says beside its tensors: step, config, number of processes."""
    return json.loads((folder / STATE).read_text())


def restore(trainer: Trainer, folder: Path) -> dict:
    r"""Put a checkpoint back into a trainer of the same config; returns its state.

    Afterwards every random number is drawn as if nothing had happened.
    """
    state, rank = read_state(folder), trainer.machine.rank

    def tensors(name: str) -> dict[str, Tensor]:
        return load((folder / f"{name}.safetensors").read_bytes())

    trainer.generator.load_state_dict(tensors("generator"))
    trainer.discriminator.load_state_dict(tensors("discriminator"))
    if trainer.average is not None:
        trainer.average.module.load_state_dict(tensors("average"))
        trainer.average.n_averaged.fill_(state["averaged"])
    for index, (name, optimiser) in enumerate(zip(NETWORKS, trainer.optimisers, strict=True)):
        whole = optimiser.state_dict()
        whole["state"] = {}
        for key, value in tensors(f"{name}_adam").items():
            number, entry = key.split(".")
            whole["state"].setdefault(int(number), {})[entry] = value.clone()
        optimiser.load_state_dict(whole)
        optimiser.param_groups[0]["lr"] = state["rates"][index]
        trainer.schedules[index].load_state_dict(state["schedules"][index])
    trainer.machine.scaler.load_state_dict(state["scaler"])
    mine = tensors(f"process_{rank}")
    own = tensors("objective") | {name: mine[name] for name in mine if ".banks." in f".{name}"}
    trainer.objective.load_state_dict(trainer.objective.state_dict() | own)
    _set_random_states(state["random"][rank], mine)
    if "cuda" in mine and trainer.machine.device.type == "cuda":
        torch.cuda.set_rng_state(mine["cuda"], trainer.machine.device)
    return state


def _set_random_states(plain: dict, tensors: dict[str, Tensor]) -> None:
    version, internal, gauss = plain["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = plain["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(tensors["torch"])


class Checkpoints:
    r"""The checkpoints of one run, in ``folder``; the last :data:`KEPT` stay."""

    def __init__(self, *, folder: Path):
        self.folder = folder

    def all(self) -> list[Path]:
        r"""The checkpoints by step, the newest last; whole or damaged."""
        found = [path for path in self.folder.glob("step-*") if re.search(r"-\d+$", path.name)]
        return sorted(found, key=lambda path: int(path.name.split("-")[1]))

    def save(self, step: int, files: dict[str, Callable[[], bytes]]) -> Path:
        r"""Write a checkpoint, then remove those that are older than the last ones kept."""
        path = self.folder / f"step-{step:08d}"
        try:
            write_folder(path, files)
        except RunError as error:
            there = [kept.name for kept in self.all()]
            safe = f"the last good checkpoint is {there[-1]}" if there else "there is no other one"
            raise RunError(f"{error}. This checkpoint is lost; {safe}") from error
        for old in self.all()[:-KEPT]:
            remove_folder(old)
        return path

    def newest(self) -> tuple[Path | None, list[str]]:
        r"""The newest checkpoint that is whole, and what is wrong with newer ones.

        Raises :class:`RunError` where there are checkpoints, but not one that is whole.
        """
        complaints = []
        for path in reversed(self.all()):
            try:
                check_folder(path)
            except DamagedFolder as error:
                complaints.append(str(error))
            else:
                return path, complaints
        if complaints:
            raise RunError(
                f"{'; '.join(complaints)}. No checkpoint is whole: remove {self.folder} to start "
                f"anew, or put a copy of one there"
            )
        return None, []
