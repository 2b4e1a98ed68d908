r"""What the painter of the book needs beside its page: the network, the scenes, the runtime.

`prepare()` writes them into `static/paint/generated`, which Sphinx copies with the rest. The
networks are the shipped toy generator, exported with two switches, and the toy segmenter.
The runtime is onnxruntime-web, from npm with a lock file. Where it cannot be had, the page keeps
its still picture and says so.
"""

import base64
import hashlib
import json
import shutil
import sys
import zlib
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from filelock import FileLock
from torch import Tensor, nn

from book import BOOK, ROOT
from book.tools import npm
from ecgan.data import toy
from ecgan.method.edge_transfer import AttentionGuidedEdgeTransfer
from ecgan.method.generator import Generator
from ecgan.method.layouts import semantics
from ecgan.synthesis import synthesize
from ecgan.weights.checkpoint import WEIGHTS, shipped
from ecgan.weights.onnx import ExportError, export_module, folded, spectral_scales, store_half

GENERATED = BOOK / "static" / "paint" / "generated"
LOCK = ROOT / "_build" / "paint.lock"
# For every browser, and for those with WebGPU: the module to import, and what it loads.
RUNTIMES = {
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
}
NETWORKS = ("street.onnx", "segmenter.onnx")
PICTURES = ("edge", "first", "final", "gates")
PROVED = 256  # values of each picture
READ = ("read_first", "read_final")
CURE = "With the extra ecgan[onnx] and access to the npm registry, `make book` turns it on."
SCENES_SEED = 1  # held out from training
# A dozen to start from: in the first the first image loses a lamp, and the final image has it back;
# the third and the fourth lose a person in both. The rest is for surprises.
STARTS = (14, 9, 5, 29, 1, 2, 3, 4, 7, 8, 10, 11)
SCENES = 132


class SwitchedTransfer(AttentionGuidedEdgeTransfer):
    r"""The edge transfer with a switch: off (0), every attention is one half, whatever the edge."""

    switch: Tensor

    def forward(self, image: Tensor, edge: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(image, edge * self.switch)


def widened(generator: Generator) -> Generator:
    r"""The same network, its layouts filled up with planes of zeros to a multiple of four.

    onnxruntime-web's WebGPU convolves nine planes wrongly (microsoft/onnxruntime issue 29651).
    """
    planes = generator.config.semantic_channels
    missing = -planes % 4
    readers = [
        module
        for module in generator.encoder.modules()
        if isinstance(module, nn.Conv2d) and module.in_channels == planes
    ]
    # The layout is the last of what the semantic preserving module reads.
    for module in [*readers, generator.semantic_preserving.to_classes]:
        module.weight = nn.Parameter(F.pad(module.weight, (0, 0, 0, 0, 0, missing)))
        module.in_channels += missing
    generator.config = replace(generator.config, classes=generator.config.classes + missing)
    return generator.requires_grad_(False)


class PaintedStreet(nn.Module):
    r"""Layout and two switches in; pictures and gates out.

    A switch at 1 leaves the network as it was trained; at 0 it puts a constant one half, which
    selects nothing, in the place of the edge attention or of the gates.
    """

    def __init__(self, *, generator: Generator):
        super().__init__()
        self.planes = generator.config.semantic_channels
        self.generator = widened(folded(generator))
        self.transfer = self.generator.image_generator.transfer = SwitchedTransfer()
        self.trained_gate = self.generator.semantic_preserving.gate

    def forward(self, layout: Tensor, transfer_on: Tensor, gates_on: Tensor) -> tuple[Tensor, ...]:
        self.transfer.switch = transfer_on
        preserving = self.generator.semantic_preserving
        preserving.gate = lambda maps: 0.5 + gates_on * (self.trained_gate(maps) - 0.5)
        missing = self.generator.config.semantic_channels - self.planes
        made = self.generator(F.pad(layout, (0, 0, 0, 0, 0, missing)))
        return made.edge, made.first, made.final, made.gates


class Reader(nn.Module):
    r"""The class that the segmenter reads at each pixel of the first and of the final image."""

    def __init__(self, *, segmenter: nn.Module):
        super().__init__()
        self.segmenter = segmenter

    def forward(self, first: Tensor, final: Tensor) -> tuple[Tensor, ...]:
        shown = torch.cat([first, final]).clamp(-1, 1)
        return self.segmenter(shown).argmax(dim=1).int().split(1)


def export_networks(folder: Path) -> None:
    r"""`street.onnx` and `segmenter.onnx`: the second runs when the pictures are already seen.

    Weights are stored in half precision wherever that loses nothing.
    """
    generator = shipped("toy")
    layout = semantics(toy.scenes(1, seed=SCENES_SEED).labels, config=generator.config)
    inputs = {"layout": layout, "transfer_on": torch.ones(1), "gates_on": torch.ones(1)}
    street, segmenter = (folder / name for name in NETWORKS)
    painted = PaintedStreet(generator=generator)
    export_module(painted, street, inputs=inputs, outputs=PICTURES)
    store_half(street, scales=spectral_scales(generator, prefix="generator."))
    picture = torch.zeros(1, 3, *layout.shape[-2:])
    reader = Reader(segmenter=shipped("toy_segmenter"))
    inputs = {"first": picture, "final": picture.clone()}
    export_module(reader, segmenter, inputs=inputs, outputs=READ)
    store_half(segmenter)


def write_world(path: Path, *, runtime: bool) -> None:
    r"""Classes, colours and scenes as `world.json`; a scene is packed as a link packs it."""
    labels = toy.scenes(SCENES, seed=SCENES_SEED).labels
    order = [*STARTS, *(i for i in range(SCENES) if i not in STARTS)]
    colours = ["#" + bytes(colour).hex() for colour in toy.PALETTE]
    world = {
        "runtime": runtime and RUNTIMES,
        "height": labels.shape[1],
        "width": labels.shape[2],
        "classes": [{"name": n, "colour": c} for n, c in zip(toy.CLASSES, colours, strict=True)],
        "first": toy.CLASSES.index("tree"),  # the class in the brush: it is seen wherever it lands
        "tiny": [toy.CLASSES.index(name) for name in toy.TINY],
        "starts": len(STARTS),
        "scenes": [pack(labels[i]) for i in order],
        "proof": proof(labels[order[0]]),
    }
    path.write_text(json.dumps(world))


def proof(labels: Tensor) -> dict[str, list[float]]:
    r"""Some values of what PyTorch makes of a layout, for a browser's GPU to be measured by."""
    made = synthesize(shipped("toy"), labels)
    flat = {name: rearrange(getattr(made, name), "1 ... -> (...)") for name in PICTURES}
    sampled = {name: values[:: max(1, len(values) // PROVED)] for name, values in flat.items()}
    return {name: [round(v, 5) for v in values.tolist()] for name, values in sampled.items()}


def pack(labels: Tensor) -> str:
    r"""A layout as text: one byte a pixel, deflated without a header, base64 for addresses."""
    press = zlib.compressobj(level=9, wbits=-15)
    packed = press.compress(labels.byte().numpy().tobytes()) + press.flush()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def fetch_runtime(folder: Path) -> None:
    r"""The runtime's files into ``folder``."""
    distribution = npm.fetched() / "onnxruntime-web" / "dist"
    for name in chain(*RUNTIMES.values()):
        shutil.copy(distribution / name, folder)


def fingerprint(paths: list[Path]) -> str:
    r"""A hash of this module and of what else a thing is made from."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *paths]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare() -> bool:
    r"""Make what is missing or older than what it is made from; False without the runtime."""
    for folder in (GENERATED, LOCK.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(LOCK):  # the book and its tests may both want it at once
        return make()


def make() -> bool:
    r"""What :func:`prepare` does, while nobody else does it."""
    stamp = GENERATED / "made-from.json"
    made = json.loads(stamp.read_text()) if stamp.is_file() else {}
    package = (ROOT / "ecgan").rglob("*.py")
    weights = [WEIGHTS / f"{name}.safetensors" for name in ("toy", "toy_segmenter")]
    now = {
        "network": fingerprint([*sorted(package), *weights]),
        "runtime": fingerprint([npm.LISTS / "package-lock.json"]),
    }
    try:
        if made.get("network") != now["network"]:
            export_networks(GENERATED)
        if made.get("runtime") != now["runtime"]:
            fetch_runtime(GENERATED)
    except (*npm.FAILURES, ExportError) as error:
        print(f"The painter stays a still picture: {error}. {CURE}", file=sys.stderr)
        write_world(GENERATED / "world.json", runtime=False)
        stamp.unlink(missing_ok=True)
        return False
    if made != now:
        write_world(GENERATED / "world.json", runtime=True)
        stamp.write_text(json.dumps(now))
    return True
