r"""How the shipped toy models are made: segmenters first, then generators, then their scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.source import HELD_OUT_SEED
from ecgan.evaluation.metrics import accuracy, confusion, frechet_distance, iou, mean_iou, pooled
from ecgan.method.generator import Generator
from ecgan.method.layers import frozen
from ecgan.method.layouts import semantics
from ecgan.presets import preset
from ecgan.readers.segmenter import DilatedJudge, UNet
from ecgan.training import Trainer, average, toy_batches, train
from ecgan.training.segmenters import class_weights, fit_segmenter
from ecgan.weights.checkpoint import WEIGHTS, load, save

__all__ = ["HELD_OUT_SEED"]
RECALIBRATION_SCENES = 800
# Network, seed of its scenes, steps: the label generator, and a judge that shares nothing with it.
SEGMENTERS = {
    "toy_segmenter": (lambda: UNet(classes=len(toy.CLASSES), width=8), 2, 1000),
    "toy_judge": (lambda: DilatedJudge(classes=len(toy.CLASSES), width=16), 3, 1000),
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


def train_segmenter(
    network: nn.Module, *, seed: int, steps: int, batch_size: int = 8, rate: float = 4e-3
) -> nn.Module:
    r"""Fit a segmenter to toy scenes of ``seed`` by cross-entropy; rare classes weigh more [I]."""
    torch.manual_seed(seed)
    scenes = toy.scenes(2048, seed=seed)
    weights = class_weights(scenes.labels, classes=len(toy.CLASSES))

    def pairs():
        while True:
            chosen = torch.randint(len(scenes.labels), (batch_size,))
            yield scenes.images[chosen], scenes.labels[chosen]

    return fit_segmenter(network, pairs(), steps=steps, rate=rate, weights=weights)


@dataclass(frozen=True, kw_only=True)
class Scores:
    r"""What a judge sees in pictures of known layouts: shares 0 to 1, and a Frechet distance."""

    mean_iou: float
    accuracy: float
    class_iou: dict[str, float]
    frechet: float


@torch.no_grad()
def score(images: Float[Tensor, "b 3 h w"], scenes: toy.Scenes, judge: nn.Module) -> Scores:
    r"""Score ``images`` of the layouts of ``scenes``; Frechet distance to their real images."""
    classes = len(toy.CLASSES)
    counts, made, real = 0, [], []
    parts = zip(images.split(50), scenes.images.split(50), scenes.labels.split(50), strict=True)
    for fake_part, real_part, labels in parts:
        counts = counts + confusion(judge(fake_part).argmax(1), labels, classes=classes)
        made.append(pooled(judge.features(fake_part)))
        real.append(pooled(judge.features(real_part)))
    return Scores(
        mean_iou=mean_iou(counts),
        accuracy=accuracy(counts),
        class_iou=dict(zip(toy.CLASSES, iou(counts).tolist(), strict=True)),
        frechet=frechet_distance(torch.cat(made), torch.cat(real)),
    )


def make_segmenter(name: str, *, folder: Path = WEIGHTS) -> nn.Module:
    r"""Train and store the segmenter ``name`` of :data:`SEGMENTERS`."""
    build, seed, steps = SEGMENTERS[name]
    torch.manual_seed(seed)
    network = train_segmenter(build(), seed=seed, steps=steps)
    save(folder / f"{name}.safetensors", network, half=True, notes={"seed": seed, "steps": steps})
    return network


def recalibrate(
    generator: Generator, labels: Int[Tensor, "b h w"], *, batch_size: int = 4
) -> None:
    r"""Measure an averaged generator's statistics on layouts in batches; see training.average."""
    parts = (semantics(part, config=generator.config) for part in labels.split(batch_size))
    average.recalibrate_batch_norm(generator, parts)


def make_generator(
    name: str,
    *,
    folder: Path = WEIGHTS,
    steps: int | None = None,
    after_step: Callable[[int, Trainer], None] | None = None,
) -> Generator:
    r"""Train and store the generator ``name`` of :func:`toy_variants`, and what goes with it.

    Stored in half precision, then recalibrated as stored.
    """
    config = toy_variants()[name]
    if steps is not None:
        config = replace(config, training=replace(config.training, steps=steps))
    segmenter = frozen(load(folder / "toy_segmenter.safetensors"))
    trainer = Trainer(config=config, segmenter=segmenter)
    history = train(trainer, toy_batches(config), after_step=after_step)
    path, notes = folder / f"{name}.safetensors", {"config": config.to_dict()}
    save(path, trainer.trained, half=True)
    generator = load(path)
    recalibrate(generator, toy.scenes(RECALIBRATION_SCENES, seed=0).labels)
    save(path, generator, half=True, notes=notes | {"history": history.rows})
    if name == "toy":
        save(folder / "toy_discriminator.safetensors", trainer.discriminator, half=True)
        head = trainer.objective.contrast.heads[-1]
        shape = {"channels": head.hidden.in_channels, "dim": head.out.out_channels}
        save(folder / "toy_projection.safetensors", head, config=shape, half=True)
    return generator
