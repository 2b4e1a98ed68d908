r"""Small training runs with one thing wrong, to learn what goes wrong looks like (chapter 08). [I]

``python -m ecgan.teaching.failures`` makes them again and stores them beside the shipped models; a
run takes two minutes of one core, and :func:`run` makes one of any length while you watch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from ecgan.config import Config, ConfigError, DataConfig, LossConfig, ModelConfig, TrainingConfig
from ecgan.data import toy
from ecgan.method.batch import Batch
from ecgan.method.layouts import semantics
from ecgan.training import Trainer, toy_batches, train
from ecgan.weights.checkpoint import WEIGHTS, shipped

STORED = WEIGHTS / "failures.safetensors"
STEPS = 800
EVERY = 20  # steps between two looks
SHIFT = 8  # pixels, a quarter of the picture

# Small enough for two minutes, and with few enough terms that each can be missed. So short a run
# leans on what is sure from the first step, the example, and ends with small steps.
SMALL = Config(
    model=ModelConfig(
        classes=9, height=32, width=32, base_channels=8, spade_hidden=16, max_channels=64
    ),
    data=DataConfig(name="toy", images=512, flip=False),
    losses=LossConfig(
        adversarial=0.5,
        feature_matching=2,
        perceptual=20,
        contrastive=0,
        similarity=0,
        class_specific=0,
        perceptual_features="segmenter",
    ),
    training=TrainingConfig(
        steps=STEPS, generator_rate=3e-3, discriminator_rate=5e-4, constant=0.5
    ),
)
FAULTS = {
    "healthy": "nothing is wrong",
    "fast discriminator": "the discriminator's learning rate is 100 times as high",
    "fast generator": "the generator's learning rate is 30 times as high",
    "no adversarial loss": "the adversarial weight is 0",
    "no example": "feature matching and the perceptual loss have weight 0",
    "shifted labels": f"every training layout lies {SHIFT} pixels beside its image",
}
# Runs for the exercise: which fault, which seed.
HIDDEN = {"A": ("no example", 1), "B": ("fast discriminator", 1), "C": ("no adversarial loss", 1)}


@dataclass(frozen=True, kw_only=True)
class Run:
    r"""What a run looked like on eight held-out scenes, every few steps.

    ``real`` and ``made`` are the discriminator's mean scores of real and of generated final images,
    ``distance`` the mean absolute difference of the two, ``images`` what came out at the end.
    """

    steps: Int[Tensor, "t"]
    real: Float[Tensor, "t"]
    made: Float[Tensor, "t"]
    distance: Float[Tensor, "t"]
    images: Float[Tensor, "b 3 h w"]


def faulty_config(fault: str, *, steps: int = STEPS, seed: int = 0) -> Config:
    r"""The config of a run with this fault; ConfigError for a fault that is not in FAULTS."""
    if fault not in FAULTS:
        raise ConfigError(f"no fault {fault!r}; there are {', '.join(FAULTS)}")
    losses, training = SMALL.losses, replace(SMALL.training, steps=steps, seed=seed)
    if fault == "fast discriminator":
        training = replace(training, discriminator_rate=100 * training.discriminator_rate)
    if fault == "fast generator":
        training = replace(training, generator_rate=30 * training.generator_rate)
    if fault == "no adversarial loss":
        losses = replace(losses, adversarial=0)
    if fault == "no example":
        losses = replace(losses, feature_matching=0, perceptual=0)
    return replace(SMALL, losses=losses, training=training)


def shifted(batches: Iterator[Batch]) -> Iterator[Batch]:
    r"""The batches with every layout moved to the right, around the edge."""
    for batch in batches:
        labels, layout = batch.labels.roll(SHIFT, -1), batch.semantics.roll(SHIFT, -1)
        yield batch._replace(labels=labels, semantics=layout)


def run(fault: str, *, steps: int = STEPS, seed: int = 0, every: int = EVERY) -> Run:
    r"""Train with the fault, looking at held-out scenes after each ``every`` steps.

    The scenes (seed 1) and their layouts are always right; what is wrong is the training.
    """
    config = faulty_config(fault, steps=steps, seed=seed)
    trainer = Trainer(config=config, segmenter=shipped("toy_segmenter"))
    batches = toy_batches(config)
    scenes = toy.scenes(8, height=config.model.height, width=config.model.width, seed=1)
    layout = semantics(scenes.labels, config=config.model)
    rows, images = [], []

    @torch.no_grad()
    def look(step: int, trainer: Trainer) -> None:
        if step % every and step not in (1, steps):
            return
        # In training mode: the running statistics of so short a run would spoil the pictures.
        final = trainer.generator(layout).final
        pictures = {"made": final, "real": scenes.images}
        scores = trainer.discriminator.discriminate(layout, pictures)
        real, made = (scores[name][0][-1].mean().item() for name in ("real", "made"))
        rows.append((step, real, made, F.l1_loss(final, scenes.images).item()))
        images[:] = [final]

    train(
        trainer,
        shifted(batches) if fault == "shifted labels" else batches,
        log_every=steps,
        after_step=look,
    )
    step, real, made, distance = (torch.tensor(column) for column in zip(*rows, strict=True))
    return Run(steps=step, real=real, made=made, distance=distance, images=images[0])


def record(path: str | Path = STORED) -> None:
    r"""Make all runs, the named and the hidden ones, and store them: pictures in 8 bits."""
    named = {fault: (fault, 0) for fault in FAULTS}
    state = {}
    for name, (fault, seed) in (named | HIDDEN).items():
        done = run(fault, seed=seed)
        state |= {f"{name}.{key}": value for key, value in vars(done).items() if key != "images"}
        pixels = (done.images[:4].clamp(-1, 1) + 1) * 127.5
        state[f"{name}.images"] = pixels.round().byte().contiguous()
    save_file(state, path)


def recorded(path: str | Path = STORED) -> dict[str, Run]:
    r"""The stored runs: the named faults of seed 0, and the hidden ones under their letters."""
    state = load_file(path)
    runs = {}
    for name in [*FAULTS, *HIDDEN]:
        curves = {key: state[f"{name}.{key}"] for key in ("steps", "real", "made", "distance")}
        runs[name] = Run(images=state[f"{name}.images"].float() / 127.5 - 1, **curves)
    return runs


if __name__ == "__main__":
    record()
