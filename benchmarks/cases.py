r"""What is measured: three sizes of model, and the layouts that they are given."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ecgan.config import Config, DataConfig, LossConfig, ModelConfig, TrainingConfig
from ecgan.data import toy
from ecgan.data.folders.labels import read_ids
from ecgan.data.folders.layouts import resized
from ecgan.method.batch import Batch
from ecgan.method.edges import TOY, edge_maps
from ecgan.method.layouts import semantics

# The terms both sides share, at the released weights; what is the same on both sides is left out.
SHARED_LOSSES = LossConfig(perceptual=0, contrastive=0, similarity=0, class_specific=0)


@dataclass(frozen=True, kw_only=True)
class Case:
    r"""A model, its batch size, and the targets for ours / released."""

    model: ModelConfig
    batch: int = 1
    targets: dict[str, float] | None = None

    def config(self, precision: str = "fp32") -> Config:
        r"""The whole config, the schedule's constants as released."""
        training = TrainingConfig(batch_size=self.batch, precision=precision)
        data = DataConfig(name="toy")
        return Config(model=self.model, losses=SHARED_LOSSES, data=data, training=training)


METRICS = ("step fp32", "inference fp32", "step bf16", "peak memory")


def targets(*values: float) -> dict[str, float]:
    return dict(zip(METRICS, values, strict=True))


CASES = {
    "tiny": Case(
        model=ModelConfig(classes=9, height=32, width=32, base_channels=4, spade_hidden=8), batch=2
    ),
    "toy": Case(
        model=ModelConfig(classes=9, height=64, width=64, base_channels=16),
        batch=8,
        targets=targets(0.50, 0.70, 0.33, 1.0),
    ),
    "35 classes": Case(model=ModelConfig(classes=35), targets=targets(0.40, 0.45, 0.25, 0.90)),
    "183 classes": Case(
        model=ModelConfig(classes=182, dont_care=True, instance_boundaries=True),
        targets=targets(0.30, 0.25, 0.18, 0.80),
    ),
}


def spread_out(labels: torch.Tensor, classes: int) -> torch.Tensor:
    r"""Toy labels as ids of a larger set of classes, a toy class becoming one of many."""
    return labels * (classes // len(toy.CLASSES))


def make_batch(case: Case, layouts: Path | None = None, *, number: int = 0) -> Batch:
    r"""The batch ``number`` of a case: toy scenes, or label files, with toy pictures.

    ``layouts`` is a folder of label PNGs, with instance PNGs in the folder beside it whose name
    ends in "inst" rather than "label", where the case has instances. What is in a picture does not
    change the time that it takes; what is in a layout does.
    """
    model, count = case.model, case.batch
    size = {"height": model.height, "width": model.width}
    scenes = toy.scenes(count, seed=4, start=number * count, **size)
    labels, instances = spread_out(scenes.labels, model.classes), scenes.instances
    if layouts is not None:
        files = sorted(layouts.glob("*.png"))
        if not files:
            raise SystemExit(f"{layouts} holds no label PNG; leave --layouts out for toy scenes")
        chosen = [files[(number * count + index) % len(files)] for index in range(count)]
        shape = (model.height, model.width)
        labels = torch.cat([resized(read_ids(file), shape) for file in chosen])
        beside = layouts.with_name(layouts.name.replace("label", "inst"))
        if model.instance_boundaries:
            ids = [read_ids(beside / file.name) for file in chosen]
            instances = torch.cat([resized(one, shape) for one in ids])
    layout = semantics(labels, instances if model.instance_boundaries else None, config=model)
    return Batch(labels, layout, scenes.images, edge_maps(scenes.images, settings=TOY))
