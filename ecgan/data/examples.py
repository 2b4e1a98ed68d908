r"""Scenes to score on: layouts with the real pictures that they belong to, one after the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.folders.dataset import FolderDataset

AT_ONCE = 64
Thing = TypeVar("Thing")


@dataclass(frozen=True, kw_only=True)
class Counted(Generic[Thing]):
    r"""Things that are made one after the other, and whose number is known before."""

    count: int
    make: Callable[[], Iterator[Thing]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Thing]:
        return self.make()


class Example(NamedTuple):
    r"""A scene at the model's size; ``whole`` are its labels at the size of their file."""

    labels: Int[Tensor, "h w"]
    instances: Int[Tensor, "h w"]
    image: Float[Tensor, "3 h w"]
    whole: Int[Tensor, "y x"]


def toy_examples(config: Config, *, count: int, seed: int) -> Counted[Example]:
    r"""Toy scenes 0 to ``count - 1`` of ``seed``; their files have the model's size."""
    size = {"height": config.model.height, "width": config.model.width}

    def make() -> Iterator[Example]:
        for start in range(0, count, AT_ONCE):
            scenes = toy.scenes(min(AT_ONCE, count - start), start=start, seed=seed, **size)
            for labels, image, instances in zip(*scenes, strict=True):
                yield Example(labels, instances, image, labels)

    return Counted(count=count, make=make)


def folder_examples(
    folder: str | Path,
    *,
    config: Config,
    split: Literal["train", "val"] = "val",
    count: int | None = None,
) -> Counted[Example]:
    r"""The scenes of a folder, whole and straight, sorted by name; the first ``count``, or all.

    With ``config.data.scale`` crops that lie side by side; ``count`` of them from all pictures.
    """
    dataset = FolderDataset(folder, config=config, split=split, augment=False)
    indices = dataset.some(len(dataset) if count is None else count)

    def make() -> Iterator[Example]:
        for index in indices:
            sample, whole = dataset[index], dataset.whole_labels(index)
            yield Example(sample.labels, sample.instances, sample.image, whole)

    return Counted(count=len(indices), make=make)


def pictures(scenes: Counted[Example]) -> Counted[Float[Tensor, "3 h w"]]:
    r"""The real pictures of scenes."""
    return Counted(count=len(scenes), make=lambda: (scene.image for scene in scenes))
