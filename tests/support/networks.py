r"""Small networks, and inputs for them, that many tests share."""

import pytest
import torch

from ecgan.config import ModelConfig
from ecgan.method.layouts import semantics
from ecgan.readers.segformer import SegFormer
from ecgan.readers.segmenter import DilatedJudge, UNet

CONFIG = ModelConfig(classes=4, height=32, width=64, base_channels=4, spade_hidden=6)


def random_semantics(config: ModelConfig = CONFIG, batch: int = 2) -> torch.Tensor:
    labels = torch.randint(config.classes, (batch, config.height, config.width))
    return semantics(labels, torch.zeros_like(labels), config=config)


def awake(network: torch.nn.Module) -> torch.nn.Module:
    r"""Weights of order 1: at the start all features are near zero and hide mistakes."""
    for name, parameter in network.named_parameters():
        if name.endswith("original"):
            continue  # spectrally normalised already, by vectors that belong to this weight
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear")
        else:
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def tiny_segformer(labels: int = 5) -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.SegformerConfig(
        hidden_sizes=[4, 8, 12, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=8,
        num_labels=labels,
    )
    return transformers.SegformerForSemanticSegmentation(config).eval()


BUILD = {
    "UNet": lambda: UNet(classes=5, width=4, depth=2),
    "DilatedJudge": lambda: DilatedJudge(classes=5, width=4, dilations=(1, 3)),
    "SegFormer": lambda: SegFormer(model=tiny_segformer()),
}
