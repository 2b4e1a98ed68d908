r"""From the samples of a folder to training batches on a device, endless and in a known order."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ecgan.config import Config
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.dataset import FolderDataset, Sample
from ecgan.data.folders.opening import DamagedFile
from ecgan.data.folders.photographs import read_picture, to_unit
from ecgan.data.folders.scenes import find_convention, list_scenes
from ecgan.files.pictures import as_png
from ecgan.files.whole import write_file
from ecgan.method.batch import Batch
from ecgan.method.edges import AUTHORS, Canny, canny, edge_maps
from ecgan.method.layouts import check, encode

Thing = TypeVar("Thing")


def find_edges(
    samples: list[Sample], *, device: torch.device | str = "cpu", settings: Canny = AUTHORS
) -> Float[Tensor, "b 3 h w"]:
    r"""Edge targets on ``device``: Canny at full resolution, then cut as each image was [R].

    Pictures of one size go through Canny together.
    """
    edges: list[Tensor | None] = [sample.edges for sample in samples]
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, sample in enumerate(samples):
        if sample.edges is None:
            sizes.setdefault(tuple(sample.photo.shape), []).append(index)
    for indices in sizes.values():
        photos = torch.stack([samples[index].photo for index in indices]).to(device)
        for index, lines in zip(indices, edge_maps(to_unit(photos), settings=settings)):
            # The three channels are equal: one is enough to resize.
            cut = samples[index].geometry.of_picture(lines[:1])
            edges[index] = repeat(cut, "1 h w -> c h w", c=3)
    return torch.stack([lines.to(device) for lines in edges])


class Stacked(NamedTuple):
    r"""Samples as one tensor a part: from process to process go a few tensors, not hundreds.

    Where edges are still to be found, ``edges`` is None and ``samples`` are there to find them in.
    """

    labels: Int[Tensor, "b h w"]
    instances: Int[Tensor, "b h w"]
    images: Float[Tensor, "b 3 h w"]
    edges: Float[Tensor, "b 3 h w"] | None
    samples: list[Sample]


def stacked(samples: list[Sample]) -> Stacked:
    r"""Samples put together, all but edges that are still to be found."""
    wanting = any(sample.edges is None for sample in samples)
    return Stacked(
        labels=torch.stack([sample.labels for sample in samples]),
        instances=torch.stack([sample.instances for sample in samples]),
        images=torch.stack([sample.image for sample in samples]),
        edges=None if wanting else torch.stack([sample.edges for sample in samples]),
        samples=samples if wanting else [],
    )


def assemble(
    samples: list[Sample] | Stacked,
    *,
    config: Config,
    device: torch.device | str = "cpu",
    settings: Canny = AUTHORS,
) -> Batch:
    r"""A batch of samples on ``device``, with one-hot layouts and edge targets."""
    parts = samples if isinstance(samples, Stacked) else stacked(samples)
    # Here, on the CPU, or the device would have to be asked.
    check(parts.labels, parts.instances, config=config.model)
    labels, instances = parts.labels.to(device), parts.instances.to(device)
    layout = encode(labels, instances, config=config.model)
    edges = parts.edges
    if edges is None:
        edges = find_edges(parts.samples, device=device, settings=settings)
    return Batch(labels, layout, parts.images.to(device), edges.to(device))


class _Order:
    r"""The batches of one epoch as lists of indices, shuffled by (seed, epoch)."""

    def __init__(self, dataset: FolderDataset, batch_size: int, stride: int):
        self.dataset, self.batch_size, self.stride = dataset, batch_size, stride
        self.epoch, self.skip = 0, 0

    @property
    def whole(self) -> int:
        r"""Batches an epoch; what is left over waits for another epoch."""
        return len(self.dataset) // self.batch_size

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def _numbers(self) -> range:
        return range(self.skip, self.whole, self.stride)

    def __iter__(self) -> Iterator[list[int]]:
        shuffled = np.random.default_rng((self.dataset.seed, self.epoch)).permutation(
            len(self.dataset)
        )
        for number in self._numbers:
            yield shuffled[number * self.batch_size : (number + 1) * self.batch_size].tolist()


class _Lenient(Dataset):
    r"""The samples of a data set; in the place of one that cannot be read, the next that can.

    Each damaged file is one line on the error stream. What is wrong with a whole folder, such as
    a label that is no class, is not forgiven.
    """

    def __init__(self, dataset: FolderDataset):
        self.dataset, self.said = dataset, set()

    def __getitem__(self, index: int) -> Sample:
        for step in range(len(self.dataset)):
            try:
                return self.dataset[(index + step) % len(self.dataset)]
            except DamagedFile as error:
                if str(error) not in self.said:
                    self.said.add(str(error))
                    print(f"ecgan: left out: {error}", file=sys.stderr)
                last = error
        raise FolderError(f"not one scene of {self.dataset.root} can be read; last: {last}")


def folder_samples(
    dataset: FolderDataset,
    *,
    workers: int = 0,
    start: int = 0,
    stride: int = 1,
    collate: Callable[[list[Sample]], Thing] = list,
) -> Iterator[Thing]:
    r"""The samples of endless batches of ``dataset.config.training.batch_size``.

    Batches ``start``, ``start + stride``... A batch depends on the data, the seed and its number
    alone, however many ``workers`` (processes that read files; 0 for none) there are. ``stride``
    lets several processes share the row. ``collate`` puts a batch's samples together where they are
    read. Raises :class:`FolderError` where there are fewer scenes than one batch takes.
    """
    order = _Order(dataset, dataset.config.training.batch_size, stride)
    if not order.whole:
        raise FolderError(
            f"{dataset.root} has {len(dataset)} scenes, fewer than one batch of "
            f"{order.batch_size}; lower batch_size, or add scenes"
        )
    loader = DataLoader(
        _Lenient(dataset),
        batch_sampler=order,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        # Its own: a loader draws a seed at each epoch, and would disturb the run's random numbers.
        generator=torch.Generator(),
    )
    number = start
    while True:
        order.epoch, order.skip = divmod(number, order.whole)
        dataset.set_epoch(order.epoch)
        for samples in loader:
            yield samples
            number += stride


def folder_batches(
    dataset: FolderDataset,
    *,
    device: torch.device | str = "cpu",
    workers: int = 0,
    start: int = 0,
    stride: int = 1,
    settings: Canny = AUTHORS,
) -> Iterator[Batch]:
    r"""The batches of :func:`folder_samples` on ``device``, with layouts and edges."""
    where = {"workers": workers, "start": start, "stride": stride}
    for samples in folder_samples(dataset, collate=stacked, **where):
        yield assemble(samples, config=dataset.config, device=device, settings=settings)


def write_edges(
    folder: str | Path, *, split: str = "train", settings: Canny = AUTHORS
) -> list[Path]:
    r"""Write each image's edge map, 0 and 255, where ``FolderDataset(edges="read")`` looks for it.

    Worth it for large photographs on a machine without a GPU. Returns the files written.
    """
    root, written = Path(folder), []
    convention = find_convention(root)
    top = root / convention.edges.folder.format(split=convention.folder_of(split))
    for scene in list_scenes(root, convention, split).scenes:
        photo = rearrange(read_picture(scene.image), "c h w -> 1 c h w")
        lines = rearrange(canny(to_unit(photo), settings=settings), "1 h w -> h w")
        path = top / f"{scene.key}.png"
        write_file(path, as_png((lines.byte() * 255).numpy()))
        written.append(path)
    return written
