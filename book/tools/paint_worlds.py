r"""The worlds of the painter: the toy street, and a city from above."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ecgan.config import ModelConfig
from ecgan.data import plans, toy
from ecgan.data.fetch import aerial
from ecgan.data.folders.numbering import from_notes
from ecgan.method.generator import Generator
from ecgan.synthesis import synthesize
from ecgan.weights.checkpoint import WEIGHTS, notes, shipped

PICTURES = ("edge", "first", "final", "gates")
PROVED = 256  # values of each picture
STREETS_SEED = 1  # held out from training


@dataclass(frozen=True, kw_only=True)
class World:
    r"""What is painted, by which shipped networks, and the words that the page has for it."""

    name: str
    title: str
    scene: str  # what one layout is called
    generator: str
    segmenter: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, ...], ...]
    published: tuple[tuple[int, ...], ...]  # of the data set's own label files
    ground: str  # what erasing leaves
    first: str  # the class in the brush: it is seen wherever it lands
    tiny: tuple[str, ...]  # whose small objects are looked for again in the pictures
    largest: int  # pixels of an object that is still small
    brushes: tuple[int, ...]
    smooth: bool  # shown enlarged without corners, as photographs are
    starts: tuple[int, ...]  # scenes to start from
    scenes: int  # to be surprised by, together with the starts
    layout: Callable[[int, ModelConfig], np.ndarray]

    @property
    def networks(self) -> tuple[str, str]:
        r"""The files of generator and segmenter."""
        return f"{self.name}.onnx", f"{self.name}_segmenter.onnx"

    @property
    def order(self) -> list[int]:
        r"""The numbers of all scenes, those to start from first."""
        return [*self.starts, *(i for i in range(self.scenes) if i not in self.starts)]

    @property
    def weights(self) -> list[Path]:
        r"""The files from which the networks are made."""
        return [WEIGHTS / f"{name}.safetensors" for name in (self.generator, self.segmenter)]

    @cached_property
    def model(self) -> ModelConfig:
        r"""What the generator was built by: the size of its pictures among others."""
        return shipped(self.generator).config

    def labels(self, number: int) -> Tensor:
        r"""Class ids ``h w`` of a scene."""
        return torch.from_numpy(self.layout(number, self.model).astype(np.int64))


def _street(number: int, model: ModelConfig) -> np.ndarray:
    size = {"height": model.height, "width": model.width}
    return toy.scenes(1, seed=STREETS_SEED, start=number, **size).labels[0].numpy()


def _city(number: int, model: ModelConfig) -> np.ndarray:
    return plans.plan(model.height, model.width, seed=number)


WORLDS = (
    World(
        name="street",
        title="Street",
        scene="street",
        generator="toy_128",
        segmenter="toy_segmenter_128",
        classes=toy.CLASSES,
        colours=tuple(map(tuple, toy.PALETTE.tolist())),
        published=(),
        ground="sky",
        first="tree",
        tiny=toy.TINY,
        largest=128 * 128,
        brushes=(1, 5, 9, 15, 25),
        smooth=False,
        # The first four hold every class, and in each the first image loses a person or a lamp that
        # the final image has back; the sixth loses a lamp in both.
        starts=(317, 27, 17, 199, 9, 140, 5, 29, 1, 2, 3, 4),
        scenes=132,
        layout=_street,
    ),
    World(
        name="city",
        title="City from above",
        scene="plan",
        generator="aerial",
        segmenter="aerial_segmenter",
        classes=plans.CLASSES,
        colours=tuple(map(tuple, plans.PALETTE.tolist())),
        published=tuple(tuple(code.to_bytes(3, "big")) for code in aerial.COLOURS.values()),
        ground="land",
        first="water",
        tiny=("water",),
        largest=150,
        brushes=(3, 5, 9, 15, 25),
        smooth=True,
        starts=(183, 52, 119, 12, 228, 83, 38, 97, 104, 230, 174, 29),
        scenes=96,
        layout=_city,
    ),
)


def _hexadecimal(colour: tuple[int, ...]) -> str:
    return "#" + bytes(colour).hex()


def described(world: World) -> dict:
    r"""Classes, colours, words and scenes for the page; a scene is packed as a link packs it."""
    model = world.model
    layouts = [world.labels(number) for number in world.order]
    colours = [_hexadecimal(colour) for colour in world.colours]
    ids = world.classes.index
    return {
        "name": world.name,
        "title": world.title,
        "scene": world.scene,
        "networks": world.networks,
        "height": model.height,
        "width": model.width,
        "classes": [{"name": n, "colour": c} for n, c in zip(world.classes, colours, strict=True)],
        "published": [_hexadecimal(colour) for colour in world.published],
        "dontCare": model.dont_care,
        "numbering": from_notes(notes(world.weights[0]).get("numbering")).as_notes(),
        "ground": ids(world.ground),
        "first": ids(world.first),
        "tiny": [ids(name) for name in world.tiny],
        "largest": world.largest,
        "brushes": world.brushes,
        "smooth": world.smooth,
        "starts": len(world.starts),
        "scenes": [pack(labels) for labels in layouts],
        "proof": proof(shipped(world.generator), layouts[0]),
    }


def proof(generator: Generator, labels: Tensor) -> dict[str, list[float]]:
    r"""Some values of what PyTorch makes of a layout, for a browser's GPU to be measured by."""
    made = synthesize(generator, labels)
    flat = {name: rearrange(getattr(made, name), "1 ... -> (...)") for name in PICTURES}
    sampled = {name: values[:: max(1, len(values) // PROVED)] for name, values in flat.items()}
    return {name: [round(v, 5) for v in values.tolist()] for name, values in sampled.items()}


def pack(labels: Tensor) -> str:
    r"""A layout as text: one byte a pixel, deflated without a header, base64 for addresses."""
    press = zlib.compressobj(level=9, wbits=-15)
    packed = press.compress(labels.byte().numpy().tobytes()) + press.flush()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")
