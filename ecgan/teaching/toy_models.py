r"""How the shipped toy models are made: segmenters first, then generators."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.source import HELD_OUT_SEED
from ecgan.method.generator import Generator
from ecgan.method.layers import frozen
from ecgan.method.layouts import semantics
from ecgan.presets import preset
from ecgan.readers.segmenter import DilatedJudge, UNet
from ecgan.training import Trainer, average, toy_batches, train
from ecgan.training.machine import best_device
from ecgan.training.run import fit
from ecgan.training.segmenters import class_weights, fit_segmenter
from ecgan.training.settings import RunSettings
from ecgan.weights.checkpoint import WEIGHTS, load, save

__all__ = ["HELD_OUT_SEED"]
RECALIBRATION_SCENES = 800
LARGE = 128  # pixels: where a house has bricks and windows that one can see
# Network, seed of its scenes, steps: the label generator, and a judge that shares nothing with it.
SEGMENTERS = {
    "toy_segmenter": (lambda: UNet(classes=len(toy.CLASSES), width=8), 2, 1000),
    "toy_judge": (lambda: DilatedJudge(classes=len(toy.CLASSES), width=16), 3, 1000),
}
# The same for scenes of LARGE pixels: both see twice as far.
LARGE_SEGMENTERS = {
    "toy_segmenter_128": (lambda: UNet(classes=len(toy.CLASSES), width=8, depth=4), 2, 1500),
    "toy_judge_128": (
        lambda: DilatedJudge(classes=len(toy.CLASSES), width=16, dilations=(1, 2, 4, 8, 16)),
        *(3, 1500),
    ),
}


def toy_variants() -> dict[str, Config]:
    r"""The configs of the shipped generators: the whole, and the whole without a part."""
    whole = preset("toy")
    model, losses = whole.model, whole.losses
    return {
        "toy": whole,
        "toy_without_transfer": replace(whole, model=replace(model, edge_transfer=False)),
        "toy_without_contrastive": replace(whole, losses=replace(losses, contrastive=0.0)),
    }


def large_variants() -> dict[str, Config]:
    r"""The config of the large generator: the whole at LARGE pixels, trained longer.

    The learning rate falls early and the average looks far back: late steps mend details.
    """
    whole = preset("toy")
    settings = replace(whole.training, steps=8000, constant=0.4, ema=0.998)
    model = replace(whole.model, height=LARGE, width=LARGE)
    return {"toy_128": replace(whole, model=model, training=settings)}


def segmenter_of(name: str) -> str:
    r"""The label generator that the generator ``name`` is trained with."""
    return "toy_segmenter_128" if name in large_variants() else "toy_segmenter"


def train_segmenter(
    network: nn.Module,
    *,
    seed: int,
    steps: int,
    batch_size: int = 8,
    rate: float = 4e-3,
    side: int = 64,
) -> nn.Module:
    r"""Fit a segmenter to toy scenes of ``seed`` by cross-entropy; rare classes weigh more [I]."""
    torch.manual_seed(seed)
    scenes = toy.scenes(2048, seed=seed, height=side, width=side)
    weights = class_weights(scenes.labels, classes=len(toy.CLASSES))

    def pairs():
        while True:
            chosen = torch.randint(len(scenes.labels), (batch_size,))
            yield scenes.images[chosen], scenes.labels[chosen]

    settings = {"steps": steps, "rate": rate, "weights": weights, "device": best_device()}
    return fit_segmenter(network, pairs(), **settings)


def make_segmenter(name: str, *, folder: Path = WEIGHTS) -> nn.Module:
    r"""Train and store the segmenter ``name`` of SEGMENTERS or LARGE_SEGMENTERS."""
    large = name in LARGE_SEGMENTERS
    build, seed, steps = (LARGE_SEGMENTERS if large else SEGMENTERS)[name]
    torch.manual_seed(seed)
    size = {"side": LARGE} if large else {}
    network = train_segmenter(build(), seed=seed, steps=steps, **size)
    save(folder / f"{name}.safetensors", network, half=True, notes={"seed": seed, "steps": steps})
    return network


def recalibrate(generator: Generator, labels: Int[Tensor, "b h w"], *, batch_size: int = 4) -> None:
    r"""Measure an averaged generator's statistics on layouts in batches; see training.average."""
    parts = (semantics(part, config=generator.config) for part in labels.split(batch_size))
    average.recalibrate_batch_norm(generator, parts)


def make_generator(
    name: str,
    *,
    folder: Path = WEIGHTS,
    steps: int | None = None,
    after_step: Callable[[int, Trainer], None] | None = None,
    run: Path | None = None,
) -> Generator | None:
    r"""Train and store the generator ``name``, and what goes with it.

    It is one of :func:`toy_variants` or :func:`large_variants`. Stored in half precision, then
    recalibrated as stored. With a folder ``run`` it is trained there by
    :func:`ecgan.training.run.fit`: stopped or killed, the same call goes on; None, and nothing
    stored, where it was stopped before its last step.
    """
    config = (toy_variants() | large_variants())[name]
    if steps is not None:
        config = replace(config, training=replace(config.training, steps=steps))
    segmenter = frozen(load(folder / f"{segmenter_of(name)}.safetensors"))
    if run is None:
        trainer = Trainer(config=config, segmenter=segmenter)
        history = train(trainer, toy_batches(config), after_step=after_step)
    else:
        settings = RunSettings(checkpoint_every=100, sample_every=500)
        outcome = fit(config, run, segmenter=segmenter, settings=settings)
        if outcome.step < config.training.steps:
            return None
        trainer, history = outcome.trainer, outcome.history
    path, notes = folder / f"{name}.safetensors", {"config": config.to_dict()}
    save(path, trainer.trained, half=True)
    generator = load(path)
    size = {"height": config.model.height, "width": config.model.width}
    recalibrate(generator, toy.scenes(RECALIBRATION_SCENES, seed=0, **size).labels)
    save(path, generator, half=True, notes=notes | {"history": history.rows})
    if name == "toy":
        save(folder / "toy_discriminator.safetensors", trainer.discriminator, half=True)
        head = trainer.objective.contrast.heads[-1]
        shape = {"channels": head.hidden.in_channels, "dim": head.out.out_channels}
        save(folder / "toy_projection.safetensors", head, config=shape, half=True)
    return generator
