r"""What a run is fed: batches in an order that depends on seed and number alone (chapter 09)."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ecgan.config import Config, ConfigError, Edges
from ecgan.data import toy
from ecgan.data.folders.batches import assemble, folder_batches
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.method.batch import Batch
from ecgan.method.edges import TOY, edge_maps
from ecgan.method.layouts import semantics

HELD_OUT_SEED = 1
TOY_IMAGES = 4096
SETTLING_BATCHES = 64


@runtime_checkable
class Place(Protocol):
    r"""Where batches go: a device, and which process of how many asks for them."""

    device: torch.device
    rank: int
    processes: int


def toy_edges(images: Tensor) -> Tensor:
    r"""Canny with the toy settings."""
    return edge_maps(images, settings=TOY)


def toy_batches(
    config: Config,
    *,
    edge_targets: Callable[[Tensor], Tensor] | None = None,
    device: torch.device | str = "cpu",
    start: int = 0,
    stride: int = 1,
) -> Iterator[Batch]:
    r"""Endless shuffled batches of toy scenes, ``config.data.images`` of them, seed 0 [I].

    ``edge_targets`` maps images to edge maps; Canny with the toy settings unless given. The
    batches ``start``, ``start + stride``, ... of the endless row are given, on ``device``.
    """
    model, settings = config.model, config.training
    if model.classes != len(toy.CLASSES):
        raise ConfigError(
            f"the toy world has {len(toy.CLASSES)} classes; this config has {model.classes}"
        )
    images = config.data.images or TOY_IMAGES
    whole = images // settings.batch_size
    if not whole:
        raise ConfigError(
            f"data.images is {images} and batch_size {settings.batch_size}: no batch can be "
            f"filled; draw at least as many images as a batch holds"
        )
    scenes = toy.scenes(images, height=model.height, width=model.width, seed=0)
    make_edges = edge_targets or toy_edges
    edges = torch.cat([make_edges(part) for part in scenes.images.split(256)])
    draws, epoch = torch.Generator().manual_seed(settings.seed), -1
    for number in count(start, stride):
        while epoch < number // whole:  # the order of an epoch is drawn after those before it
            shuffled, epoch = torch.randperm(images, generator=draws), epoch + 1
        place = number % whole * settings.batch_size
        chosen = shuffled[place : place + settings.batch_size]
        labels, instances = scenes.labels[chosen].to(device), scenes.instances[chosen].to(device)
        layout = semantics(labels, instances, config=model)
        yield Batch(labels, layout, scenes.images[chosen].to(device), edges[chosen].to(device))


def toy_examples(config: Config, *, count: int, device: torch.device | str = "cpu") -> Batch:
    r"""The first held-out scenes, as a batch to look at."""
    model = config.model
    scenes = toy.scenes(count, height=model.height, width=model.width, seed=HELD_OUT_SEED)
    layout = semantics(scenes.labels, scenes.instances, config=model)
    parts = scenes.labels, layout, scenes.images, toy_edges(scenes.images)
    return Batch(*(part.to(device) for part in parts))


class Source:
    r"""The data of a run: the toy world, or the folder ``data``, read by ``workers`` processes.

    ``machine`` says which share of the batches is this process's. Raises :class:`ConfigError`
    where the config's data set has no folder, and as the data sets do.
    """

    def __init__(
        self,
        *,
        config: Config,
        machine: Place,
        data: str | Path | None = None,
        workers: int = 0,
        edges: Edges = "compute",
    ):
        self.config, self.machine, self.workers = config, machine, workers
        self.data, self.edges = data, edges
        self._settling: list[tuple[Tensor, Tensor]] = []
        if data is None and config.data.name != "toy":
            raise ConfigError(f"{config.data.name} needs --data FOLDER; see ecgan fetch --help")

    def batches(self, done: int) -> Iterator[list[Batch]]:
        r"""For each step after ``done`` ones, the batches that this process adds up."""
        config, machine = self.config, self.machine
        together = config.training.accumulate
        where = {
            "device": machine.device,
            "start": done * together * machine.processes + machine.rank,
            "stride": machine.processes,
        }
        if self.data is None:
            single = toy_batches(config, **where)
        else:
            dataset = FolderDataset(self.data, config=config, edges=self.edges)
            single = folder_batches(dataset, workers=self.workers, **where)
        return map(list, zip(*[single] * together))

    def examples(self, count: int) -> Batch:
        r"""Layouts for the sample pictures, held out where there are any."""
        device = self.machine.device
        if self.data is None:
            return toy_examples(self.config, count=count, device=device)
        try:
            dataset = FolderDataset(self.data, config=self.config, split="val", augment=False)
        except FolderError:  # a data set without its validation part can still be trained on
            dataset = FolderDataset(self.data, config=self.config, augment=False)
        samples = [dataset[index] for index in range(min(count, len(dataset)))]
        return assemble(samples, config=self.config, device=device)

    def layouts(self) -> Iterator[Tensor]:
        r"""Some of the training layouts, in batches, to settle an averaged generator on."""
        if not self._settling:
            self._settling = list(self._some_labels())
        for labels, instances in self._settling:
            layout = semantics(labels, instances, config=self.config.model)
            yield layout.to(self.machine.device)

    def _some_labels(self) -> Iterator[tuple[Tensor, Tensor]]:
        size, model = self.config.training.batch_size, self.config.model
        if self.data is None:
            count = min(SETTLING_BATCHES, (self.config.data.images or TOY_IMAGES) // size) * size
            scenes = toy.scenes(count, height=model.height, width=model.width, seed=0)
            yield from zip(scenes.labels.split(size), scenes.instances.split(size), strict=True)
            return
        dataset = FolderDataset(self.data, config=self.config, augment=False)
        for number in range(min(SETTLING_BATCHES, len(dataset) // size)):
            samples = [dataset[index] for index in range(number * size, (number + 1) * size)]
            yield (
                torch.stack([sample.labels for sample in samples]),
                torch.stack([sample.instances for sample in samples]),
            )
