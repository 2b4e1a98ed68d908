r"""The doctor's look at one scene: sizes, ids, what cannot be read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from einops import rearrange
from jaxtyping import Integer

from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.labels import ColourLabelError, Ids, Palette, read_file, read_ids
from ecgan.data.folders.photographs import examined_size
from ecgan.data.folders.scenes import Scene, Trouble

LARGEST_TABLE = 1 << 16


@dataclass(kw_only=True)
class Facts:
    r"""What was met in one scene: pixels by value, size (h, w) of the image, troubles.

    ``first`` says at which (row, column) a value that is not allowed is met first, ``colours`` how
    a palette shows the values that are met.
    """

    scene: Scene
    size: tuple[int, int] | None = None
    pixels: dict[int, int] = field(default_factory=dict)
    first: dict[int, tuple[int, int]] = field(default_factory=dict)
    colours: Palette = field(default_factory=dict)
    trouble: list[Trouble] = field(default_factory=list)


def count_ids(ids: Integer[np.ndarray, "h w"]) -> dict[int, int]:
    r"""Pixels by value."""
    if ids.min() >= 0 and ids.max() < LARGEST_TABLE:
        counts = np.bincount(rearrange(ids, "h w -> (h w)"))
        return {int(value): int(counts[value]) for value in np.nonzero(counts)[0]}
    values, counts = np.unique(ids, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _attempt(facts: Facts, path: Path | None, read: Callable):
    if path is None:
        return None
    try:
        return read(path)
    except FolderError as error:
        kind = "colour labels" if isinstance(error, ColourLabelError) else "unreadable files"
        facts.trouble.append(Trouble(kind, path, str(error)))
    return None


def examine_scene(scene: Scene, allowed: Callable[[int], bool]) -> Facts:
    r"""Read every file of a scene and note what is wrong with it."""
    facts = Facts(scene=scene)
    facts.size = _attempt(facts, scene.image, examined_size)
    labels, palette = _attempt(facts, scene.label, read_file) or Ids(None, {})
    instances = _attempt(facts, scene.instance, read_ids)
    if labels is not None:
        facts.pixels = count_ids(labels)
        facts.colours = {value: palette[value] for value in facts.pixels if value in palette}
        for value in facts.pixels:
            if not allowed(value):
                row, column = np.argwhere(labels == value)[0]
                facts.first[value] = (int(row), int(column))
    sizes = {
        scene.label: None if labels is None else labels.shape,
        scene.instance: None if instances is None else instances.shape,
        scene.edge: _attempt(facts, scene.edge, examined_size),
    }
    for path, size in sizes.items():
        if size is not None and facts.size is not None and size != facts.size:
            text = f"{size[1]} x {size[0]}, its image {facts.size[1]} x {facts.size[0]}"
            facts.trouble.append(Trouble("sizes that differ", path, text))
    return facts
