r"""What a run is scored on: the toy world, or a folder of photographs (chapter 10)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.examples import Counted, Example, folder_examples, toy_examples
from ecgan.data.fetch.aerial import COLOURS
from ecgan.data.source import HELD_OUT_SEED
from ecgan.data.toy import Scenes
from ecgan.data.toy.shrunken import shrunken
from ecgan.evaluation.small_objects import SIZES
from ecgan.experiments.grid import GridError, TrialSettings
from ecgan.method.edges import AUTHORS, TOY, Canny, canny

OTHER_SEED = 4  # real scenes that are neither learned from nor scored


@dataclass(frozen=True, kw_only=True)
class World:
    r"""Held-out scenes, and who looks at what is painted of them.

    ``scenes`` are scored, ``small`` asked for small objects of ``small_classes``, ``others()`` are
    real scenes that are not scored. ``reader`` and ``judge`` are segmenters that ship: one for the
    losses, one for the scores. ``protocols`` are those of the distances and the segmentation.
    """

    names: tuple[str, ...]
    scenes: Scenes
    small: tuple[Scenes, ...]
    small_classes: tuple[int, ...]
    others: Callable[[], Scenes]
    reader: str
    judge: str
    edges: Canny
    protocols: tuple[str, ...]

    @cached_property
    def real_edges(self) -> Bool[Tensor, "b h w"]:
        r"""Canny's edges of the real pictures, found once for all that is held against them."""
        return canny(self.scenes.images, settings=self.edges)

    @property
    def lite(self) -> bool:
        r"""Whether the distances compare features of the lite network, not the judge's."""
        return any("lite" in name for name in self.protocols)


def together(examples: Counted[Example]) -> Scenes:
    r"""Scenes that come one after the other as a batch."""
    parts = zip(*((one.labels, one.image, one.instances) for one in examples), strict=True)
    return Scenes(*map(torch.stack, parts))


def one_by_one(scenes: Scenes) -> Iterator[Example]:
    r"""The scenes of a batch, whose label files have their size."""
    return map(Example, scenes.labels, scenes.instances, scenes.images, scenes.labels)


def toy_world(config: Config, trial: TrialSettings) -> World:
    r"""Held-out street scenes, and the first of them with lamps and people of known sizes."""
    size = {"height": config.model.height, "width": config.model.width}
    scenes = together(toy_examples(config, count=trial.scored, seed=HELD_OUT_SEED))
    some = Scenes(*(part[: trial.small] for part in scenes))
    return World(
        names=tuple(toy.CLASSES),
        scenes=scenes,
        small=tuple(shrunken(some, pixels=pixels) for pixels in SIZES),
        small_classes=tuple(toy.CLASSES.index(name) for name in toy.TINY),
        others=lambda: toy.scenes(trial.scored, seed=OTHER_SEED, **size),
        reader="toy_segmenter",
        judge="toy_judge",
        edges=TOY,
        protocols=("fid-validation", "kid-validation", "miou-native"),
    )


def aerial_world(config: Config, trial: TrialSettings, data: Path) -> World:
    r"""Held-out crops of photographs; their layouts hold regions of every size already."""
    scenes = together(folder_examples(data, config=config, count=trial.scored))
    return World(
        names=tuple(COLOURS),
        scenes=scenes,
        small=(scenes,),
        small_classes=tuple(range(len(COLOURS))),
        others=lambda: together(
            folder_examples(data, config=config, split="train", count=trial.scored)
        ),
        reader="aerial_segmenter",
        judge="aerial_judge",
        edges=AUTHORS,
        protocols=("fd-lite", "kd-lite", "miou-native"),
    )


def world_of(config: Config, trial: TrialSettings, data: str | Path | None = None) -> World:
    r"""The world that a config trains on; raises :class:`GridError` where its data is missing."""
    name = config.data.name
    if name == "toy":
        return toy_world(config, trial)
    if name != "aerial":
        raise GridError(f"data.name is {name!r}; runs of a grid are scored on toy or aerial")
    if not data:
        raise GridError(
            "this grid needs the aerial photographs: fetch them with ecgan fetch aerial, and name "
            "their folder: make experiments GRID=photographs DATA=FOLDER"
        )
    return aerial_world(config, trial, Path(data))
