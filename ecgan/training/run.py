r"""A run from its first step to its last, in one call or in several: killed, it goes on (09)."""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import nn

from ecgan.config import Config, Number
from ecgan.data.source import Source
from ecgan.files.records import commit, versions
from ecgan.files.whole import RunError, sweep, write_file
from ecgan.method.generator import Generator
from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.training.average import settled
from ecgan.training.checkpoints import Checkpoints, read_state, restore, snapshot
from ecgan.training.log import Log, write_sheet
from ecgan.training.loop import History, images_per_step, train
from ecgan.training.machine import Machine, find_machine
from ecgan.training.settings import RunSettings, as_json, differences
from ecgan.training.signals import stop_signals
from ecgan.training.trainer import Trainer
from ecgan.weights.checkpoint import as_bytes
from ecgan.weights.named import RESULT

EXAMPLES = 6


@dataclass(kw_only=True)
class Outcome:
    r"""How a call of :func:`fit` ended: after all steps, out of time, or told to stop.

    ``generator`` is the one to use. ``complaints`` say what was wrong with checkpoints that could
    not be used.
    """

    generator: Generator
    trainer: Trainer
    history: History
    step: int
    ended: Literal["finished", "out of time", "stopped"]
    resumed_at: int = 0
    complaints: list[str] = field(default_factory=list)


def take_up(trainer: Trainer, checkpoints: Checkpoints) -> tuple[int, list[str]]:
    r"""Restore the newest whole checkpoint, if there is one; its step, and complaints.

    Raises :class:`RunError` where it is another run's: of another config or number of processes.
    """
    path, complaints = checkpoints.newest()
    if path is None:
        return 0, complaints
    state = read_state(path)
    changed = differences(state["config"], as_json(trainer.config))
    if changed:
        raise RunError(
            f"{path} is of a run with another config ({'; '.join(changed)}). Use the same config "
            f"to go on with it, or another folder for a new run"
        )
    if state["processes"] != trainer.machine.processes:
        raise RunError(
            f"{path} is of a run in {state['processes']} processes, this one has "
            f"{trainer.machine.processes}: start as many, or use another folder for a new run"
        )
    return restore(trainer, path)["step"], complaints


class _Run:
    r"""The files of a run, kept up while it goes."""

    def __init__(self, *, trainer: Trainer, folder: Path, settings: RunSettings, source: Source):
        self.trainer, self.folder, self.settings, self.source = trainer, folder, settings, source
        self.machine = trainer.machine
        self.checkpoints = Checkpoints(folder=folder / "checkpoints")
        if self.machine.first:
            sweep(self.checkpoints.folder)
        self.machine.wait()
        self.resumed_at, self.complaints = take_up(trainer, self.checkpoints)
        self._agree()
        self.step = self.saved = self.resumed_at
        self.mark = (self.step, time.perf_counter())
        self.history, self.examples, self._settled = History(), None, None
        if self.machine.first:
            facts = {"config": trainer.config.to_dict(), "device": self.machine.name}
            facts |= {"processes": self.machine.processes, "precision": self.machine.precision}
            facts |= {"commit": commit(), "versions": versions()}
            write_file(folder / "run.json", json.dumps(facts, indent=1).encode())
            self.log = Log(folder=folder, tensorboard=settings.tensorboard)
            self.history.rows = self.log.resume(self.resumed_at)
            if self.resumed_at:  # it may have been killed before this was written
                self._write_result()
            if settings.sample_every:
                self.examples = source.examples(EXAMPLES)

    def _agree(self) -> None:
        r"""Every process must stand at the same step, or they would wait for each other forever."""
        steps = self.machine.gather(self.resumed_at)
        if len(set(steps)) > 1:
            raise RunError(
                f"the processes find checkpoints of different steps in {self.checkpoints.folder} "
                f"({', '.join(map(str, steps))}): on several machines the folder of a run, --out, "
                f"must lie on a disk that all of them share"
            )

    def go(self, *, seconds: Number | None, asked: threading.Event) -> Outcome:
        r"""Train until the steps, the seconds or the user's patience end; save what there is."""
        steps = self.trainer.config.training.steps
        if self.step < steps:
            try:
                train(
                    self.trainer,
                    self.source.batches(self.resumed_at),
                    log_every=self.settings.log_every or steps,
                    seconds=seconds,
                    stop=asked.is_set,
                    after_step=self._after,
                    history=self.history,
                    done=self.resumed_at,
                )
            except NonFiniteLoss as error:
                raise NonFiniteLoss(self._last_words(error)) from error
            self._save()
        early = "stopped" if asked.is_set() else "out of time"
        return Outcome(
            generator=self._usable().eval(),
            trainer=self.trainer,
            history=self.history,
            step=self.step,
            ended="finished" if self.step == steps else early,
            resumed_at=self.resumed_at,
            complaints=self.complaints,
        )

    def _last_words(self, error: NonFiniteLoss) -> str:
        kept = self.checkpoints.all()
        good = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint is there yet"
        return f"step {self.step + 1}: {error}. The run has stopped; {good}"

    def _after(self, step: int, trainer: Trainer) -> None:
        self.step = step
        if step == self.resumed_at + 1:  # the time before was spent on drawing or opening data
            self.mark = (step, time.perf_counter())
        if self.machine.first:
            if self.history.rows and self.history.rows[-1]["step"] == step:
                self.history.rows[-1] |= self._more()
                self.log.add(self.history.rows[-1])
            if self.examples is not None and step % self.settings.sample_every == 0:
                path = self.folder / "samples" / f"{step:08d}.png"
                write_sheet(path, self._usable(), self.examples)
        if self.settings.checkpoint_every and step % self.settings.checkpoint_every == 0:
            self._save()

    def _more(self) -> dict:
        r"""What a line of the log says beside the losses."""
        (step, then), now = self.mark, time.perf_counter()
        images = (self.step - step) * images_per_step(self.trainer)
        self.mark = (self.step, now)
        rates = [optimiser.param_groups[0]["lr"] for optimiser in self.trainer.optimisers]
        speed = {"images_a_second": images / (now - then)} if images else {}
        return speed | {
            "generator_rate": rates[0],
            "discriminator_rate": rates[1],
            "scale": self.machine.scaler.get_scale(),
            **{f"{name}_gradient": norm for name, norm in self.trainer.norms.items()},
        }

    def _save(self) -> None:
        if self.saved == self.step:
            return
        files = snapshot(self.trainer, step=self.step)
        if self.machine.first:
            self.checkpoints.save(self.step, files)
            self._write_result()
        self.saved = self.step
        self.machine.wait()

    def _usable(self) -> Generator:
        r"""The generator, or a settled copy of the averaged one, made once a step."""
        if self.trainer.average is None:
            return self.trainer.generator
        if self._settled is None or self._settled[0] != self.step:
            copy = settled(self.trainer.trained, self.source.layouts())
            self._settled = (self.step, copy)
        return self._settled[1]

    def _write_result(self) -> None:
        notes = {"config": self.trainer.config.to_dict(), "step": self.step}
        write_file(self.folder / RESULT, as_bytes(self._usable(), notes=notes))


def fit(
    config: Config,
    folder: str | Path,
    *,
    data: str | Path | None = None,
    segmenter: nn.Module | None = None,
    vgg: nn.Module | None = None,
    settings: RunSettings | None = None,
    machine: Machine | None = None,
) -> Outcome:
    r"""Train into ``folder``; called again with the same arguments it goes on where it was.

    The folder gets run.json, log.jsonl, samples/, checkpoints/ and, at each checkpoint, the network
    to use: generator.safetensors. ``data`` is the folder of the data set, None for the toy world.
    On a CPU a run that was killed, at any moment, ends with the same weights, bit by bit, as one
    that was not. Raises :class:`RunError` for a folder that cannot be used or a disk that is full,
    and :class:`ecgan.method.losses.NonFiniteLoss` at the first number that is none; the last good
    checkpoint stays.
    """
    start, settings = time.perf_counter(), settings or RunSettings()
    machine = machine or find_machine(precision=config.training.precision, cpu=settings.cpu)
    source = Source(
        config=config,
        machine=machine,
        data=data,
        workers=settings.workers,
        edges=settings.edges,
    )
    trainer = Trainer(
        config=config,
        segmenter=segmenter,
        vgg=vgg,
        machine=machine,
        recompute=settings.recompute,
    )
    with stop_signals() as asked:
        run = _Run(trainer=trainer, folder=Path(folder), settings=settings, source=source)
        left = None
        if settings.minutes is not None:
            left = max(0.0, 60 * settings.minutes - (time.perf_counter() - start))
        return run.go(seconds=left, asked=asked)
