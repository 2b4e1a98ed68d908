r"""One run of a grid: train what its cell says, score it, and hand back rows (chapter 10)."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Semaphore
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ecgan.config import Config
from ecgan.data.source import Source
from ecgan.data.toy import Scenes
from ecgan.experiments.estimates import similarity_rows
from ecgan.experiments.grid import Cell
from ecgan.experiments.painted import Painter, painted_rows, painter_of, yardstick_rows
from ecgan.experiments.worlds import World, world_of
from ecgan.files.pictures import as_png
from ecgan.files.records import as_line, commit, versions
from ecgan.files.whole import write_file
from ecgan.method.batch import Batch
from ecgan.method.edges import layout_boundaries
from ecgan.method.layers import frozen
from ecgan.readers.perceptual import published_features
from ecgan.synthesis import to_bytes
from ecgan.training import History, Machine, Trainer, train
from ecgan.training.average import recalibrated
from ecgan.training.recorded import record_updates
from ecgan.weights.checkpoint import shipped

SHARES = (0.25, 0.5)  # of the steps, after which a run is scored as well
KEPT = (3, 9)  # the scored scenes whose pictures stay


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
    perceptual = trainer.objective.perceptual
    whole = Trainer(
        config=seeded,
        segmenter=trainer.objective.segmenter,
        perceptual=None if perceptual is None else perceptual.extractor,
        machine=trainer.machine,  # or the networks that both read by would move to another device
    )
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


def boundary_maps(labels: Int[Tensor, "b h w"]) -> Float[Tensor, "b 3 h w"]:
    r"""The layout's own boundaries as an edge target: all that the layout knows of edges."""
    return repeat(layout_boundaries(labels).float() * 2 - 1, "b h w -> b 3 h w")


def batches_of(cell: Cell, source: Source) -> Iterator[list[Batch]]:
    r"""The training batches of a cell, with the edge targets that it asks for."""
    for together in source.batches(0):
        if cell.plan.trial.edge_targets == "boundaries":
            together = [one._replace(edges=boundary_maps(one.labels)) for one in together]
        yield together


@dataclass(kw_only=True)
class Trial:
    r"""What a run leaves: rows, and where something was trained, that and its pictures."""

    rows: list[dict] = field(default_factory=list)
    generator: nn.Module | None = None
    history: History | None = None
    kept: UInt8[np.ndarray, "h w 3"] | None = None

    def write(self, path: str | Path) -> None:
        r"""The pictures as PNG beside ``path``, then the rows into it: a file of rows is whole."""
        path = Path(path)
        if self.kept is not None:
            write_file(path.with_suffix(".png"), as_png(self.kept))
        write_file(path, "".join(map(as_line, self.rows)).encode())


def kept_pictures(paint: Painter, world: World) -> UInt8[np.ndarray, "h w 3"]:
    r"""The final images of the scenes :data:`KEPT`, side by side."""
    scenes = Scenes(*(part[list(KEPT)] for part in world.scenes))
    return to_bytes(rearrange(paint(scenes)["final"], "b c h w -> c h (b w)"))


@runtime_checkable
class Turn(Protocol):
    r"""A lock: of the runs that share a device only so many train, while others draw and score."""

    def acquire(self) -> bool:
        r"""Wait for one's turn."""

    def release(self) -> None:
        r"""Let another go on."""


def trained(cell: Cell, world: World, data: str | Path | None, turn: Turn) -> Trial:
    r"""Train a cell from the first weights that all variants of its seed share, and score it.

    After each of :data:`SHARES` of the steps the final images are scored as well, so that a reader
    sees where the answers settle. Looking draws no random number, and changes nothing. Training
    waits for its ``turn``, and lets others have it while it looks.
    """
    config, settings, found = cell.plan.config, cell.plan.trial, Trial()
    machine = Machine(precision=config.training.precision, device=settings.device)
    source = Source(config=config, machine=machine, data=data or None)
    trainer = Trainer(
        config=config,
        segmenter=frozen(shipped(world.reader)),
        perceptual=published_features(config.losses),
        machine=machine,
    )
    start_alike(trainer, base=cell.base)
    record_updates(trainer)
    looks = {round(share * config.training.steps): share for share in SHARES}

    def usable() -> nn.Module:
        if trainer.average is None:
            return trainer.generator
        return recalibrated(trainer.trained, source.layouts())

    def look(step: int, _: Trainer) -> None:
        if step in looks and step < config.training.steps:
            turn.release()
            rows = painted_rows(painter_of(usable()), world, trial=settings, kinds=("final",))
            found.rows += [row | {"share": looks[step]} for row in rows]
            turn.acquire()

    turn.acquire()
    try:
        found.history = train(trainer, batches_of(cell, source), after_step=look)
    finally:
        turn.release()
    found.generator = usable()
    paint = painter_of(found.generator)
    found.rows += [row | {"share": 1.0} for row in painted_rows(paint, world, trial=settings)]
    found.kept = kept_pictures(paint, world)
    return found


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
    return [{"share": 1.0} | row | facts for row in rows]


def run(cell: Cell, *, data: str | Path | None = None, turn: Turn | None = None) -> Trial:
    r"""Do what a cell says. ``data`` is the folder of photographs, for grids that need one.

    ``turn`` is for runs that share a device: see :class:`Turn`.

    ``seconds`` in the rows is the processor's time for training and scoring together.
    """
    start, config, settings = time.process_time(), cell.plan.config, cell.plan.trial
    if cell.measure == "similarity":
        found = Trial(rows=list(similarity_rows(config=config)))
    else:
        world = world_of(config, settings, data)
        if cell.measure == "yardsticks":
            found = Trial(rows=list(yardstick_rows(cell.variant, world, trial=settings)))
        else:
            turn = Semaphore() if turn is None else turn
            found = trained(cell, world, data, turn)
    found.rows = complete(found.rows, cell, seconds=time.process_time() - start)
    return found
