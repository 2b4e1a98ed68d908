r"""How much memory a config will take, told from small copies of its networks.

The bytes that a step keeps are a constant plus one share each for the networks' width, SPADE's
width and the classes, times the pixels; parameters are a parabola in the width. So a few small
copies say what the whole will take, in a second and without holding it.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ecgan.config import Config, ModelConfig
from ecgan.fast import accelerate
from ecgan.method.discriminator import Discriminator
from ecgan.method.generator import Generator
from ecgan.method.layouts import one_hot

FLOAT = 4  # bytes of a 32-bit number
STATES = 4 * FLOAT  # a parameter, its gradient, Adam's two moments
BATCH = 7  # pictures; no number of channels here is a multiple, which tells them from weights

REAL = ("edge", "image")  # what the discriminator sees of a scene beside the fakes


@dataclass(frozen=True, kw_only=True)
class Memory:
    r"""Bytes in 32-bit floats, and numbers of parameters. A device's own overhead comes on top."""

    training: int
    inference: int
    batch_size: int
    generator: int
    discriminator: int


class Alive(TorchFunctionMode):
    r"""Adds up the bytes of the living tensors that count, and remembers the most there were."""

    def __init__(self, *, counts: Callable[[Tensor], bool]):
        super().__init__()
        self.counts = counts
        self.alive, self.most, self._known = 0, 0, {}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and self.counts(made):
            self._count(made.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known:
            return

        def gone(_):
            del self._known[place]
            self.alive -= size

        self._known[place] = weakref.ref(storage, gone)
        self.alive += size
        self.most = max(self.most, self.alive)


def _is_activation(tensor: Tensor) -> bool:
    return tensor.ndim == 4 and tensor.shape[0] % BATCH == 0


class _Networks(NamedTuple):
    generator: Generator
    discriminator: Discriminator

    def parameters(self) -> list[int]:
        r"""Numbers of parameters of both."""
        return [sum(weight.numel() for weight in network.parameters()) for network in self]


def _build(model: ModelConfig, width: int, **changes) -> _Networks:
    cap = model.max_channels and max(width, round(model.max_channels * width / model.base_channels))
    side = 2 * 2**model.doublings
    changes = {"base_channels": width, "max_channels": cap, "height": side, "width": side} | changes
    narrow = replace(model, **changes)
    return _Networks(accelerate(Generator(narrow)), accelerate(Discriminator(narrow)))


def _activations(networks: _Networks) -> Float[np.ndarray, "2"]:
    r"""Bytes a pixel of one picture: what backward needs, and the most alive in a synthesis."""
    generator, discriminator = networks
    model = generator.config
    # Noise: no neighbourhood of labels occurs twice, so nothing can be computed once for many.
    labels = torch.randint(model.semantic_channels, (BATCH, model.height, model.width))
    layout = one_hot(labels, classes=model.semantic_channels)
    with torch.no_grad(), Alive(counts=_is_activation) as drawing:
        generator.eval()(layout)
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        if _is_activation(tensor):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    generator.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        made = generator(layout)
        pictures = made.pictures()
        fake = discriminator.discriminate(layout, pictures)
        targets = {name: layout[:, :3].clone() for name in REAL}
        real = discriminator.discriminate(layout, targets)
    del made, pictures, fake, real
    pixels = BATCH * model.height * model.width
    return np.array([sum(kept.values()), drawing.most]) / pixels


def _whole_activations(model: ModelConfig) -> Float[np.ndarray, "2"]:
    r"""The same for the whole model: from a small copy, a step along each width at a time."""
    small = {"base_channels": 2, "spade_hidden": 4, "classes": 4}
    steps = {"base_channels": 2, "spade_hidden": 16, "classes": 4}
    least = _activations(_build(model, 2, **small))
    whole = least
    for name, step in steps.items():
        changed = small | {name: small[name] + step}
        wider = _activations(_build(model, changed["base_channels"], **changed))
        whole = whole + (wider - least) * (getattr(model, name) - small[name]) / step
    return whole


def _whole_parameters(model: ModelConfig) -> list[int]:
    r"""Numbers of parameters: the values at the model's width of the parabolas through three."""
    low, middle, high = (np.array(_build(model, width).parameters()) for width in (2, 4, 6))
    place = (model.base_channels - 2) / 2
    bend = (high - 2 * middle + low) * place * (place - 1) / 2
    return (low + (middle - low) * place + bend).round().astype(int).tolist()


@lru_cache
def _costs(model: ModelConfig) -> tuple[list[int], list[float]]:
    r"""Parameters of both networks; bytes a picture in training and in a synthesis."""
    with torch.random.fork_rng(devices=[]):
        sizes, bytes_a_pixel = _whole_parameters(model), _whole_activations(model)
    return sizes, (bytes_a_pixel * model.height * model.width).tolist()


def estimate(config: Config) -> Memory:
    r"""Memory of one training step and of making one picture [I].

    A step holds both networks with gradients and Adam's moments, the averaged generator, and all
    that backward needs of adversarial and feature-matching terms for the config's batch size. Not
    counted: VGG-19 or a segmenter and their features, the contrastive loss, passing workspace.
    """
    model, settings = config.model, config.training
    sizes, (training, inference) = _costs(model)
    states = STATES * sum(sizes) + (FLOAT * sizes[0] if settings.ema else 0)
    return Memory(
        training=round(states + settings.batch_size * training),
        inference=round(FLOAT * sizes[0] + inference),
        batch_size=settings.batch_size,
        generator=sizes[0],
        discriminator=sizes[1],
    )
