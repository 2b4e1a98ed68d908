r"""The painter's networks as ONNX: a generator with two switches, and its world's segmenter."""

from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from book.tools.paint_worlds import PICTURES, World
from ecgan.method.edge_transfer import AttentionGuidedEdgeTransfer
from ecgan.method.generator import Generator
from ecgan.method.layouts import semantics
from ecgan.weights.checkpoint import shipped
from ecgan.weights.onnx import export_module, folded, spectral_scales, store_half

READ = ("read_first", "read_final")


class SwitchedTransfer(AttentionGuidedEdgeTransfer):
    r"""The edge transfer with a switch: off (0), every attention is one half, whatever the edge."""

    switch: Tensor

    def forward(self, image: Tensor, edge: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(image, edge * self.switch)


def in_fours(convolution: nn.Conv2d) -> None:
    r"""Have it compute over whole fours of planes: zeros are added before, and cut off after.

    onnxruntime-web's WebGPU convolves other numbers wrongly (microsoft/onnxruntime issue 29651).
    """
    planes = convolution.out_channels
    read, made = -convolution.in_channels % 4, -planes % 4
    weight, bias = convolution.weight, convolution.bias
    convolution.weight = nn.Parameter(F.pad(weight, (0, 0, 0, 0, 0, read, 0, made)))
    convolution.bias = None if bias is None else nn.Parameter(F.pad(bias, (0, made)))
    convolution.in_channels += read
    convolution.out_channels += made
    if read:
        convolution.register_forward_pre_hook(lambda _, x: F.pad(x[0], (0, 0, 0, 0, 0, read)))
    if made:
        convolution.register_forward_hook(lambda _, x, y: y[:, :planes])


def widened(network: nn.Module) -> nn.Module:
    r"""The same network, each of its convolutions :func:`in_fours`."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            in_fours(module)
    return network.requires_grad_(False)


class Painted(nn.Module):
    r"""Layout and two switches in; pictures and gates out.

    A switch at 1 leaves the network as it was trained; at 0 it puts a constant one half, which
    selects nothing, in the place of the edge attention or of the gates.
    """

    def __init__(self, *, generator: Generator):
        super().__init__()
        self.generator = widened(folded(generator))
        self.transfer = self.generator.image_generator.transfer = SwitchedTransfer()
        self.trained_gate = self.generator.semantic_preserving.gate

    def forward(self, layout: Tensor, transfer_on: Tensor, gates_on: Tensor) -> tuple[Tensor, ...]:
        self.transfer.switch = transfer_on
        preserving = self.generator.semantic_preserving
        preserving.gate = lambda maps: 0.5 + gates_on * (self.trained_gate(maps) - 0.5)
        made = self.generator(layout)
        return made.edge, made.first, made.final, made.gates


class Reader(nn.Module):
    r"""The class that the segmenter reads at each pixel of the first and of the final image."""

    def __init__(self, *, segmenter: nn.Module):
        super().__init__()
        self.segmenter = segmenter

    def forward(self, first: Tensor, final: Tensor) -> tuple[Tensor, ...]:
        shown = torch.cat([first, final]).clamp(-1, 1)
        return self.segmenter(shown).argmax(dim=1).int().split(1)


def export_generator(world: World, path: Path) -> None:
    r"""The world's generator, its weights stored in half precision wherever that loses nothing."""
    generator = shipped(world.generator)
    labels = rearrange(world.labels(world.starts[0]), "h w -> 1 h w")
    layout = semantics(labels, config=generator.config)
    inputs = {"layout": layout, "transfer_on": torch.ones(1), "gates_on": torch.ones(1)}
    export_module(Painted(generator=generator), path, inputs=inputs, outputs=PICTURES)
    store_half(path, scales=spectral_scales(generator, prefix="generator."))


def export_segmenter(world: World, path: Path) -> None:
    r"""The world's segmenter; it runs when the pictures are already seen."""
    picture = torch.zeros(1, 3, world.model.height, world.model.width)
    reader = Reader(segmenter=widened(shipped(world.segmenter)))
    inputs = {"first": picture, "final": picture.clone()}
    export_module(reader, path, inputs=inputs, outputs=READ)
    store_half(path)


EXPORTS = (export_generator, export_segmenter)
