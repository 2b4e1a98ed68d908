r"""What a run is fed: batches in an order that depends on seed and number alone (chapter 09)."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from ecgan.config import Config, ConfigError, Edges
from ecgan.data import toy
from ecgan.data.folders.batches import assemble, folder_batches
from ecgan.data.folders.classes import read_classes
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.folders.scenes import Scene
from ecgan.method.batch import Batch
from ecgan.method.edges import TOY, edge_maps
from ecgan.method.layouts import check, encode, semantics

HELD_OUT_SEED = 1
TOY_IMAGES = 4096
RECALIBRATION_BATCHES = 64
LOOKED_AT = 1000  # files whose sizes tell one folder from another


@runtime_checkable
class Place(Protocol):
    r"""Where batches go: a device, and which process of how many asks for them."""

    device: torch.device
    rank: int
    processes: int


def toy_edges(images: Tensor) -> Tensor:
    r"""Canny with the toy settings."""
    return edge_maps(images, settings=TOY)


class ToyScene(NamedTuple):
    r"""A scene with its edge targets; pictures in [-1, 1]."""

    labels: Int[Tensor, "h w"]
    instances: Int[Tensor, "h w"]
    image: Float[Tensor, "3 h w"]
    edges: Float[Tensor, "3 h w"]


class ToyScenes:
    r"""The scenes of toy training, seed 0, each drawn when it is first asked for, then kept.

    A scene and its edges depend on its number alone, not on those that were drawn beside it.
    """

    def __init__(self, *, height: int, width: int, make_edges: Callable[[Tensor], Tensor]):
        self.size, self.make_edges = {"height": height, "width": width}, make_edges
        self._kept: dict[int, ToyScene] = {}

    def __getitem__(self, number: int) -> ToyScene:
        if number not in self._kept:
            labels, images, instances = toy.scenes(1, start=number, seed=0, **self.size)
            parts = labels.byte(), instances.short(), images, self.make_edges(images)
            self._kept[number] = ToyScene(*(rearrange(part, "1 ... -> ...") for part in parts))
        return self._kept[number]


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
    scenes = ToyScenes(height=model.height, width=model.width, make_edges=edge_targets or toy_edges)
    draws, epoch = torch.Generator().manual_seed(settings.seed), -1
    for number in count(start, stride):
        while epoch < number // whole:  # the order of an epoch is drawn after those before it
            shuffled, epoch = torch.randperm(images, generator=draws), epoch + 1
        place = number % whole * settings.batch_size
        chosen = [scenes[i] for i in shuffled[place : place + settings.batch_size].tolist()]
        parts = [torch.stack(part) for part in zip(*chosen, strict=True)]
        check(*parts[:2], config=model)  # here, or the device would have to be asked
        parts = [part.to(device) for part in parts]
        labels, instances = parts[0].long(), parts[1].long()
        yield Batch(labels, encode(labels, instances, config=model), *parts[2:])


def toy_samples(config: Config, *, count: int, device: torch.device | str = "cpu") -> Batch:
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
        self._some: list[tuple[Tensor, Tensor]] = []
        if data is None and config.data.name != "toy":
            raise ConfigError(f"{config.data.name} needs --data FOLDER; see ecgan fetch --help")

    @cached_property
    def _training(self) -> FolderDataset:
        return FolderDataset(self.data, config=self.config, edges=self.edges)

    def facts(self) -> dict:
        r"""What is learned from, as JSON: which scenes, how they are numbered, their classes."""
        if self.data is None:
            return {"data": "toy world", "numbering": None, "classes": list(toy.CLASSES)}
        convention, names = self._training.convention, read_classes(Path(self.data))
        special = {str(value): known for value, known in dict(convention.special).items()}
        return {
            "data": contents(self._training.scenes),
            "numbering": {"name": convention.name, "first": convention.first, "special": special},
            "classes": None if names is None else list(names),
        }

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
            single = folder_batches(self._training, workers=self.workers, **where)
        return map(list, zip(*[single] * together))

    def examples(self, count: int) -> Batch:
        r"""Layouts for the sample pictures, held out where there are any."""
        device = self.machine.device
        if self.data is None:
            return toy_samples(self.config, count=count, device=device)
        try:
            dataset = FolderDataset(self.data, config=self.config, split="val", augment=False)
        except FolderError:  # a data set without its validation part can still be trained on
            dataset = FolderDataset(self.data, config=self.config, augment=False)
        samples = [dataset[index] for index in dataset.some(count)]
        return assemble(samples, config=self.config, device=device)

    def layouts(self) -> Iterator[Tensor]:
        r"""Some of the training layouts, in batches, to recalibrate an averaged generator on."""
        if not self._some:
            self._some = list(self._some_labels())
        for labels, instances in self._some:
            layout = semantics(labels, instances, config=self.config.model)
            yield layout.to(self.machine.device)

    def _some_labels(self) -> Iterator[tuple[Tensor, Tensor]]:
        size, model = self.config.training.batch_size, self.config.model
        if self.data is None:
            count = (
                min(RECALIBRATION_BATCHES, (self.config.data.images or TOY_IMAGES) // size) * size
            )
            scenes = toy.scenes(count, height=model.height, width=model.width, seed=0)
            yield from zip(scenes.labels.split(size), scenes.instances.split(size), strict=True)
            return
        dataset = FolderDataset(self.data, config=self.config, augment=False)
        chosen = dataset.some(min(RECALIBRATION_BATCHES, len(dataset) // size) * size)
        for start in range(0, len(chosen), size):
            samples = [dataset[index] for index in chosen[start : start + size]]
            yield (
                torch.stack([sample.labels for sample in samples]),
                torch.stack([sample.instances for sample in samples]),
            )


def contents(scenes: Sequence[Scene]) -> dict:
    r"""What tells the scenes of one folder from another's, wherever the folder lies."""
    seen = hashlib.sha256("\n".join(scene.key for scene in scenes).encode())
    for scene in scenes[:: -(-len(scenes) // LOOKED_AT)]:
        seen.update(f"{scene.image.stat().st_size} {scene.label.stat().st_size}\n".encode())
    return {
        "scenes": len(scenes),
        "first": scenes[0].key,
        "last": scenes[-1].key,
        "contents": seen.hexdigest()[:16],
    }
