r"""A run from its first step to its last, in one call or in several: killed, it goes on (09)."""

import threading
import time
from pathlib import Path

import torch
from torch import nn

from ecgan.config import Config, Number
from ecgan.data.source import Source
from ecgan.fast.precision import slow_precision
from ecgan.files.records import commit, versions
from ecgan.files.whole import RunError, sweep
from ecgan.method.generator import Generator
from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.training.average import recalibrated
from ecgan.training.checkpoints import Checkpoints, restore, snapshot
from ecgan.training.compiled import compile_networks
from ecgan.training.facts import agree, depends_on, record, recorded, require_same
from ecgan.training.lock import alone_in
from ecgan.training.log import Log, write_sheet
from ecgan.training.loop import History, images_per_step, train
from ecgan.training.machine import Machine, find_machine
from ecgan.training.networks import kept_path, write_network
from ecgan.training.outcome import Outcome
from ecgan.training.recorded import record_updates
from ecgan.training.settings import RunSettings
from ecgan.training.signals import stop_signals
from ecgan.training.start import Start
from ecgan.training.trainer import Trainer
from ecgan.weights import checkpoint
from ecgan.weights.named import RESULT

EXAMPLES = 6
ANSWER = "stopping after this step; writing a checkpoint, then generator.safetensors"


class _Run:
    r"""The files of a run, kept up while it goes. ``table`` says what it depends on."""

    def __init__(
        self,
        *,
        trainer: Trainer,
        folder: Path,
        settings: RunSettings,
        source: Source,
        table: dict,
    ):
        self.trainer, self.folder, self.settings, self.source = trainer, folder, settings, source
        self.machine = trainer.machine
        self.checkpoints = Checkpoints(folder=folder / "checkpoints")
        self._compare(table)
        if self.machine.is_main:
            sweep(self.checkpoints.folder)
        self.machine.wait()
        newest, self.complaints = self.checkpoints.newest()
        self.resumed_at = 0 if newest is None else restore(trainer, newest)["step"]
        self._agree()
        self.step = self.saved = self.resumed_at
        self.mark = (self.step, time.perf_counter())
        self.history, self.examples, self._usable = History(), None, None
        if self.machine.is_main:
            about = {"folder": self._data, "device": self.machine.name}
            about |= {"precision": self.machine.precision, "compile": settings.compile}
            about |= {"commit": commit(), "versions": versions()}
            record(folder, table | about)
            self.log = Log(folder=folder, tensorboard=settings.tensorboard)
            self.history.rows = self.log.resume(self.resumed_at)
            if settings.sample_every and self.step < trainer.config.training.steps:
                self.examples = source.examples(EXAMPLES)

    @property
    def _data(self) -> str | None:
        return None if self.source.data is None else str(Path(self.source.data).resolve())

    def _compare(self, table: dict) -> None:
        r"""Refuse a folder in which another run has left something that it would lose."""
        before = recorded(self.folder)
        if before is None or not (self.checkpoints.all() or (self.folder / RESULT).exists()):
            return
        require_same(before, table, folder=self.folder, data=self._data)
        if before.get("folder") != self._data:
            moved = f"{before.get('folder')} to {self._data}"
            self.machine.tell(f"the data has moved from {moved}; its scenes are the same")

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
        already = self.step == steps
        if not already:
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
        generator = self._finish(already=already)
        return Outcome(
            generator=generator,
            trainer=self.trainer,
            history=self.history,
            step=self.step,
            ended="finished" if self.step == steps else early,
            result=None if generator is None else self.folder / RESULT,
            resumed_at=self.resumed_at,
            already=already,
            complaints=self.complaints,
        )

    def _finish(self, *, already: bool) -> Generator | None:
        r"""Write the network to use, now that the checkpoint is safe; None if the user will not."""
        path = self.folder / RESULT
        try:
            if already and path.is_file() and checkpoint.notes(path).get("step") == self.step:
                with torch.random.fork_rng(devices=[]):  # a network is drawn, then overwritten
                    return checkpoint.load(path).to(self.machine.device)
            if self.trainer.average is not None:
                self.machine.tell(
                    f"step {self.step} is saved; recalibrating batch norm for {RESULT} (Ctrl-C "
                    f"leaves it out)"
                )
            generator = self._recalibrated().eval()
        except KeyboardInterrupt:
            self.machine.tell(f"{RESULT} was left out; the checkpoint is safe")
            return None
        if self.machine.is_main:
            self._write(path, generator)
        return generator

    def _write(self, path: Path, generator: Generator) -> None:
        config, data = self.trainer.config, self.source.data
        write_network(path, generator, config=config, step=self.step, data=data)

    def _last_words(self, error: NonFiniteLoss) -> str:
        kept = self.checkpoints.all()
        good = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint is there yet"
        return f"step {self.step + 1}: {error}. The run has stopped; {good}"

    def _after(self, step: int, trainer: Trainer) -> None:
        self.step = step
        if step == self.resumed_at + 1:  # the time before was spent on drawing or opening data
            self.mark = (step, time.perf_counter())
        if self.machine.is_main:
            if self.history.rows and self.history.rows[-1]["step"] == step:
                self.history.rows[-1] |= self._more()
                self.log.add(self.history.rows[-1])
            if self.examples is not None and step % self.settings.sample_every == 0:
                path = self.folder / "samples" / f"{step:08d}.png"
                write_sheet(path, self._recalibrated(), self.examples)
            if self.settings.keep_every and step % self.settings.keep_every == 0:
                self._write(kept_path(self.folder, step), self.trainer.trained)
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
        if self.machine.is_main:
            self.checkpoints.save(self.step, files)
        self.saved = self.step
        self.machine.wait()

    def _recalibrated(self) -> Generator:
        r"""The generator, or a recalibrated copy of the averaged one, made once a step."""
        if self.trainer.average is None:
            return self.trainer.generator
        if self._usable is None or self._usable[0] != self.step:
            copy = recalibrated(self.trainer.trained, self.source.layouts())
            self._usable = (self.step, copy)
        return self._usable[1]


def fit(
    config: Config,
    folder: str | Path,
    *,
    data: str | Path | None = None,
    segmenter: nn.Module | None = None,
    perceptual: nn.Module | None = None,
    start: Start | None = None,
    settings: RunSettings | None = None,
    machine: Machine | None = None,
) -> Outcome:
    r"""Train into ``folder``; called again with the same arguments it goes on where it was.

    The folder gets run.json, log.jsonl, samples/, checkpoints/ and, if asked for, kept/, and at the
    end of the call the network to use: generator.safetensors. ``data`` is the folder of the data
    set, None for the toy world; ``start`` a trained generator to go on from. On a CPU a run that
    was killed, at any moment, ends with the same weights, bit by bit, as one that was not. Raises
    :class:`RunError` for a folder that cannot be used, in which another run is alive or that holds
    another run, for weights of another model, for processes that do not agree, and for a disk that
    is full; and :class:`ecgan.method.losses.NonFiniteLoss` at the first number that is none: the
    last good checkpoint stays.
    """
    begun, settings, folder = time.perf_counter(), settings or RunSettings(), Path(folder)
    machine = machine or find_machine(precision=config.training.precision, cpu=settings.cpu)
    source = Source(
        config=config, machine=machine, data=data, workers=settings.workers, edges=settings.edges
    )
    networks = {"segmenter": segmenter, "perceptual": perceptual, "start": start}
    table = depends_on(config, source=source, machine=machine, **networks)
    agree(table, machine)
    warning = slow_precision(machine.precision, machine.device)
    if warning:
        machine.tell(f"note: {warning}")
    with stop_signals(ANSWER) as asked, alone_in(folder, machine):
        trainer = Trainer(
            config=config,
            machine=machine,
            recompute=settings.recompute,
            quick=not settings.compile,  # what is compiled is the method itself
            **networks,
        )
        if settings.compile:
            compile_networks(trainer)
        elif settings.graph:
            record_updates(trainer)
        run = _Run(trainer=trainer, folder=folder, settings=settings, source=source, table=table)
        left = None
        if settings.minutes is not None:
            left = max(0.0, 60 * settings.minutes - (time.perf_counter() - begun))
        return run.go(seconds=left, asked=asked)
