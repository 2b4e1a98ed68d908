r"""Scenes to score on: layouts with the real pictures that they belong to, one after the other."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.folders import FolderDataset

AT_ONCE = 64


class Example(NamedTuple):
    r"""A scene at the model's size; ``whole`` are its labels at the size of their file."""

    labels: Int[Tensor, "h w"]
    instances: Int[Tensor, "h w"]
    image: Float[Tensor, "3 h w"]
    whole: Int[Tensor, "y x"]


def toy_examples(config: Config, *, count: int, seed: int) -> Iterator[Example]:
    r"""Toy scenes 0 to ``count - 1`` of ``seed``; their files have the model's size."""
    for start in range(0, count, AT_ONCE):
        some = min(AT_ONCE, count - start)
        size = {"height": config.model.height, "width": config.model.width}
        scenes = toy.scenes(some, start=start, seed=seed, **size)
        for labels, image, instances in zip(*scenes, strict=True):
            yield Example(labels, instances, image, labels)


def folder_examples(
    folder: str | Path,
    *,
    config: Config,
    split: Literal["train", "val"] = "val",
    count: int | None = None,
) -> Iterator[Example]:
    r"""The scenes of a folder, whole and straight, sorted by name; the first ``count``, or all."""
    dataset = FolderDataset(folder, config=config, split=split, augment=False)
    for index in islice(range(len(dataset)), count):
        sample = dataset[index]
        whole = dataset.whole_labels(index)
        yield Example(sample.labels, sample.instances, sample.image, whole)
