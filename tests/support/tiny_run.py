r"""A run small enough for tests: toy scenes of 32 x 32, a few channels, a few steps."""

from dataclasses import replace

import torch

from ecgan import ModelConfig
from ecgan.config import Config, ContrastConfig, DataConfig, LossConfig, TrainingConfig
from ecgan.readers.segmenter import UNet

MODEL = ModelConfig(classes=9, height=32, width=32, base_channels=4, spade_hidden=8)
LOSSES = LossConfig(
    cross_entropy=1,
    perceptual_features="segmenter",
    similarity_pairs=64,
    contrast=ContrastConfig(per_class=4, dim=4),
)
WITH_MEMORY = replace(LOSSES, contrast=replace(LOSSES.contrast, memory_per_class=3))
NOTHING = LossConfig(
    adversarial=0, feature_matching=0, perceptual=0, contrastive=0, similarity=0, class_specific=0
)


def config(*, model: dict | None = None, losses: LossConfig = LOSSES, **training) -> Config:
    r"""A whole config; `training` are fields of TrainingConfig."""
    return Config(
        model=replace(MODEL, **(model or {})),
        data=DataConfig(name="toy", images=12, flip=False),
        losses=losses,
        training=TrainingConfig(**({"steps": 4, "batch_size": 3} | training)),
    )


def segmenter(classes: int = 9) -> UNet:
    r"""A label generator that knows nothing, but the same nothing each time."""
    torch.manual_seed(3)
    return UNet(classes=classes, width=2, depth=2)
