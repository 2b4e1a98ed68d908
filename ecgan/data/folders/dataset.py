r"""Data sets on disk as training batches: Cityscapes, ADE20K, COCO-Stuff, facades, your own folder.

The preprocessing of the released code [R]: labels by nearest neighbour, images bicubic, random
crop and flip, edges found at full resolution and then resized with the image. Of pictures larger
than the model, crops are cut instead where the config has a ``data.scale`` [I].
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from ecgan.config import Config, ConfigError
from ecgan.data.folders.crops import LABEL, Crops
from ecgan.data.folders.geometry import Geometry, draw
from ecgan.data.folders.labels import check_size, read_ids, read_labels
from ecgan.data.folders.photographs import picture_size, read_picture, to_unit
from ecgan.data.folders.scenes import Scene, complete_scenes, find_convention
from ecgan.data.folders.tiles import Tile, Tiles
from ecgan.method.edges import AUTHORS, Canny, canny


class Sample(NamedTuple):
    r"""One scene, ready for the model; pictures in [-1, 1].

    ``instances`` are zeros where the data set has none. Where ``edges`` is None they are still to
    be found: in ``photo``, the picture as it is on disk, and then to be cut by ``geometry``.
    """

    labels: Int[Tensor, "h w"]
    instances: Int[Tensor, "h w"]
    image: Float[Tensor, "3 h w"]
    edges: Float[Tensor, "3 h w"] | None
    photo: UInt8[Tensor, "3 h2 w2"] | None
    geometry: Geometry


class FolderDataset(Dataset):
    r"""The scenes of a folder, cut and flipped as drawn from (seed, epoch, index) alone.

    ``folder`` lies in a layout of :data:`ecgan.data.folders.conventions.CONVENTIONS`, which is
    recognised unless given by name. ``augment`` draws crops and flips (by default for the split
    "train" only). ``edges`` are found when a batch is put together ("compute"), or stand in the
    folder edges/ ("read"). With ``config.data.scale`` a sample is a crop of native pixels, whose
    edges were found by ``settings`` in the whole picture, once. Raises ``FolderError`` for a
    folder that does not fit together, and when a sample with a wrong file is asked for.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        config: Config,
        convention: str | None = None,
        split: Literal["train", "val"] = "train",
        augment: bool | None = None,
        edges: Literal["compute", "read"] = "compute",
        seed: int | None = None,
        settings: Canny = AUTHORS,
    ):
        self.root, self.config, self.edges = Path(folder), config, edges
        self.convention = find_convention(self.root, convention)
        self.augment = split == "train" if augment is None else augment
        self.seed = config.training.seed if seed is None else seed
        self.scenes = complete_scenes(
            self.root,
            self.convention,
            split,
            instances=config.model.instance_boundaries,
            edges=edges == "read",
        )
        # Shared, so that the workers of a loader see the epoch change.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        load_size, shorter = config.data.load_size, min(config.model.height, config.model.width)
        if load_size is not None and load_size < shorter:
            raise ConfigError(
                f"load_size is {load_size}; crops of {config.model.width} x {config.model.height} "
                f"need at least {shorter}"
            )
        self.settings, self.crops = settings, None
        if config.data.scale is not None:
            self.tiles = Tiles(root=self.root, reading=self._reading(), make=self._tile)
            self.crops = Crops(
                scenes=self.scenes, tiles=self.tiles, config=config, drawn=self.augment
            )

    def set_epoch(self, epoch: int) -> None:
        r"""Crops and flips are drawn anew in each epoch."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.scenes) if self.crops is None else len(self.crops)

    def some(self, count: int) -> list[int]:
        r"""Numbers of at most ``count`` samples: the first, or crops from all over the pictures."""
        if self.crops is None or count >= len(self):
            return list(range(min(count, len(self))))
        return [(2 * place + 1) * len(self) // (2 * count) for place in range(count)]

    def __getitem__(self, index: int) -> Sample:
        draws = np.random.default_rng((self.seed, int(self._epoch[0]), index))
        if self.crops is not None:
            return self._crop(index, draws)
        scene = self.scenes[index]
        photo = read_picture(scene.image)
        size = tuple(photo.shape[1:])
        geometry = draw(self.config, draws if self.augment else None)
        labels = geometry.of_labels(self._labels(scene, size))
        instances = np.zeros_like(labels)
        if scene.instance is not None:
            instances = geometry.of_labels(_sized(read_ids(scene.instance), scene.instance, size))
        edges = None
        if self.edges == "read":
            edges = repeat(
                geometry.of_picture(to_unit(self._lines(scene, size))), "1 h w -> c h w", c=3
            )
        return Sample(
            labels=torch.from_numpy(labels),
            instances=torch.from_numpy(instances.astype(np.int64)),
            image=geometry.of_picture(to_unit(photo)),
            edges=edges,
            photo=photo if edges is None else None,
            geometry=geometry,
        )

    def _crop(self, index: int, draws: np.random.Generator) -> Sample:
        scene, window = self.crops.draw(index, draws) if self.augment else self.crops[index]
        flip = bool(self.augment and self.config.data.flip and draws.random() < 0.5)
        geometry, tile = window.geometry(self.config, flip=flip), self.tiles[scene]
        planes = window.cut(tile.planes)
        labels = geometry.of_labels(planes[..., LABEL].astype(np.int64))
        instances = np.zeros_like(labels)
        if tile.instances is not None:
            instances = geometry.of_labels(window.cut(tile.instances).astype(np.int64))
        pixels = to_unit(rearrange(torch.from_numpy(planes), "h w c -> c h w"))
        return Sample(
            labels=torch.from_numpy(labels),
            instances=torch.from_numpy(instances),
            image=geometry.of_picture(pixels[:LABEL]),
            edges=repeat(geometry.of_picture(pixels[LABEL + 1 :]), "1 h w -> c h w", c=3),
            photo=None,
            geometry=geometry,
        )

    def _reading(self) -> dict:
        r"""The choices that a tile depends on, beside its files."""
        model = self.config.model
        known = {"classes": model.classes, "dont_care": model.dont_care}
        lines = repr(self.settings) if self.edges == "compute" else "read"
        return known | {"convention": self.convention.name, "edges": lines}

    def _tile(self, scene: Scene) -> Tile:
        photo = read_picture(scene.image)
        size = tuple(photo.shape[1:])
        labels = self._labels(scene, size).astype(np.uint8)
        if self.edges == "read":
            lines = self._lines(scene, size)
        else:
            picture = rearrange(to_unit(photo), "c h w -> 1 c h w")
            lines = canny(picture, settings=self.settings).byte() * 255
        planes = [photo, rearrange(torch.from_numpy(labels), "h w -> 1 h w"), lines]
        instances = None
        if scene.instance is not None:
            ids = _sized(read_ids(scene.instance), scene.instance, size)
            instances = ids.astype(np.int32)
        return Tile(rearrange(torch.cat(planes), "c h w -> h w c").numpy(), instances)

    def _lines(self, scene: Scene, size: tuple[int, int]) -> UInt8[Tensor, "1 h w"]:
        lines = read_picture(scene.edge, "L")
        _sized(lines[0], scene.edge, size)
        return lines

    def whole_labels(self, index: int) -> Int[Tensor, "h w"]:
        r"""The class ids of a scene at the size of its label file; of a crop, at its own."""
        if self.crops is not None:
            scene, window = self.crops[index]
            labels = window.cut(self.tiles[scene].planes[..., LABEL])
            return torch.from_numpy(labels.astype(np.int64))
        scene = self.scenes[index]
        return torch.from_numpy(self._labels(scene, picture_size(scene.image)))

    def _labels(self, scene: Scene, size: tuple[int, int]) -> Int[np.ndarray, "h w"]:
        name = scene.label.relative_to(self.root).as_posix()
        known = {"numbering": self.convention, "model": self.config.model}
        return read_labels(scene.label, size=size, name=name, **known)


def _sized(planes, path: Path, size: tuple[int, int]):
    check_size(np.asarray(planes), path, size)
    return planes
