r"""One run of a grid: train what its cell says, score it, and hand back rows (chapter 10)."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

import torch
from torch import nn

from ecgan.config import Config
from ecgan.data.source import RECALIBRATION_BATCHES
from ecgan.experiments.grid import Cell
from ecgan.experiments.measures import (
    boundary_maps,
    generator_rows,
    held_out,
    similarity_rows,
    yardstick_rows,
)
from ecgan.files.records import commit, versions
from ecgan.method.batch import Batch
from ecgan.method.layers import frozen
from ecgan.training import History, Machine, Trainer, toy_batches, train
from ecgan.training.average import recalibrate_batch_norm
from ecgan.weights.checkpoint import shipped


def shared(own: nn.Module, other: nn.Module) -> dict:
    r"""The other's weights that have a namesake of the same shape in ``own``."""
    mine = own.state_dict()
    return {
        name: value
        for name, value in other.state_dict().items()
        if name in mine and mine[name].shape == value.shape
    }


def start_alike(trainer: Trainer, *, base: Config) -> None:
    r"""Give a trainer the first weights that the base config has for the same seed.

    What a variant lacks would otherwise shift the random numbers of all that is made after it.
    Parts of another shape, which the base does not have, keep their own.
    """
    seeded = replace(base, training=replace(base.training, seed=trainer.config.training.seed))
    whole = Trainer(config=seeded, segmenter=trainer.objective.segmenter)
    pairs = [(trainer.generator, whole.generator), (trainer.discriminator, whole.discriminator)]
    for name in ("contrast", "decoder"):
        parts = getattr(trainer.objective, name), getattr(whole.objective, name)
        if None not in parts:
            pairs.append(parts)
    if trainer.average is not None:
        pairs.append((trainer.average.module, whole.generator))
    for mine, theirs in pairs:
        mine.load_state_dict(shared(mine, theirs), strict=False)
    torch.manual_seed(seeded.training.seed)


def batches_of(cell: Cell) -> Iterator[Batch]:
    r"""The training batches of a cell, with the edge targets that it asks for."""
    trial = cell.plan.trial
    for batch in toy_batches(cell.plan.config, device=trial.device):
        if trial.edge_targets == "boundaries":
            batch = batch._replace(edges=boundary_maps(batch.labels))
        yield batch


def train_cell(cell: Cell) -> tuple[Trainer, History]:
    r"""Train one cell from the first weights that all variants of its seed share."""
    config = cell.plan.config
    machine = Machine(precision=config.training.precision, device=cell.plan.trial.device)
    trainer = Trainer(config=config, segmenter=frozen(shipped("toy_segmenter")), machine=machine)
    start_alike(trainer, base=cell.base)
    history = train(trainer, batches_of(cell))
    if trainer.average is not None:
        some = (batch.semantics for batch, _ in zip(batches_of(cell), range(RECALIBRATION_BATCHES)))
        recalibrate_batch_norm(trainer.trained, some)
    return trainer, history


def complete(rows: Iterable[dict], cell: Cell, *, seconds: float) -> list[dict]:
    r"""Every row with all that is needed to make its number again."""
    facts = {
        "experiment": cell.experiment,
        "variant": cell.variant,
        "seed": cell.seed,
        "config": cell.plan.config.to_dict(),
        "trial": asdict(cell.plan.trial),
        "commit": commit(),
        "versions": versions(),
        "device": Machine(device=cell.plan.trial.device).name,
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 1),
    }
    return [row | facts for row in rows]


def run(cell: Cell) -> tuple[list[dict], Trainer | None, History | None]:
    r"""The rows of a cell, and what was trained where something was.

    ``seconds`` in the rows is the processor's time for training and scoring together.
    """
    start = time.process_time()
    config, trial, trainer, history = cell.plan.config, cell.plan.trial, None, None
    if cell.measure == "yardsticks":
        rows = list(yardstick_rows(cell.variant, config=config, trial=trial))
    elif cell.measure == "similarity":
        rows = list(similarity_rows(config=config))
    else:
        trainer, history = train_cell(cell)
        scenes = held_out(config, trial)
        rows = list(generator_rows(trainer.trained, scenes, config=config, trial=trial))
    return complete(rows, cell, seconds=time.process_time() - start), trainer, history
