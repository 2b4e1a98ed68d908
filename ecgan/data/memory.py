r"""How much memory a config will take: its networks run on tensors that hold no numbers."""

import weakref
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ecgan.config import Config
from ecgan.discriminator import Discriminator, judge
from ecgan.generator import Generator

FLOAT = 4  # bytes of a 32-bit number
ADAM = 2 * FLOAT  # its two moments, a parameter


class _Peak(TorchDispatchMode):
    r"""Adds up the bytes of all tensors alive, and remembers the most there ever were."""

    def __init__(self):
        super().__init__()
        self.alive, self.most, self._known = 0, 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage) -> None:
        name, size = id(storage), storage.nbytes()
        if name in self._known:
            return

        def gone(_):
            del self._known[name]
            self.alive -= size

        self._known[name] = weakref.ref(storage, gone)
        self.alive += size
        self.most = max(self.most, self.alive)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@dataclass(frozen=True, kw_only=True)
class Memory:
    r"""Bytes in 32-bit floats, and numbers of parameters. A device's own overhead comes on top."""

    training: int
    inference: int
    batch_size: int
    generator: int
    discriminator: int


def _inference(generator: Generator, layout: Tensor) -> int:
    generator.eval()
    with torch.no_grad(), _Peak() as peak:
        generator(layout)
    generator.train()
    return peak.most + FLOAT * _parameters(generator) + FLOAT * layout.numel()


def _training(
    generator: Generator, discriminator: Discriminator, layout: Tensor, images: Tensor
) -> int:
    with _Peak() as peak:
        made = generator(layout)
        pictures = made.pictures()
        fake = judge(discriminator, layout, pictures)
        real = judge(discriminator, layout, dict.fromkeys(("edge", "image"), images))
        maps = tree_leaves((fake, real))
        sum(values.mean() for values in maps).backward()
        alive = peak.most
    del made, pictures, fake, real, maps
    return alive + FLOAT * (2 * images.numel() + layout.numel())


@lru_cache
def estimate(config: Config) -> Memory:
    r"""Peak memory of one training step and of making one picture [I].

    A step holds both networks with gradients and Adam's moments, the averaged generator, and all
    that backward needs of adversarial and feature-matching terms for the config's batch size. Not
    counted: VGG-19 or a segmenter and their features, the contrastive loss, the framework itself.
    """
    model, settings = config.model, config.training
    with torch.device("meta"):
        generator, discriminator = Generator(model), Discriminator(model)
        size = (model.height, model.width)
        one = torch.empty(1, model.semantic_channels, *size)
        many = torch.empty(settings.batch_size, model.semantic_channels, *size)
        images = torch.empty(settings.batch_size, 3, *size)
        inference = _inference(generator, one)
        training = _training(generator, discriminator, many, images)
    sizes = _parameters(generator), _parameters(discriminator)
    states = (FLOAT + ADAM) * sum(sizes) + (FLOAT * sizes[0] if settings.ema else 0)
    return Memory(
        training=training + states,
        inference=inference,
        batch_size=settings.batch_size,
        generator=sizes[0],
        discriminator=sizes[1],
    )
