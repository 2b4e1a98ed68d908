r"""Data sets on disk as training batches: Cityscapes, ADE20K, COCO-Stuff, facades, your own folder.

The preprocessing of the released code [R]: labels by nearest neighbour, images bicubic, random
crop and flip, edges found at full resolution and then resized with the image.
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
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.geometry import Geometry, draw
from ecgan.data.folders.labels import decode, open_picture, read_ids
from ecgan.data.folders.scenes import Scene, complete_scenes, find_convention
from ecgan.method.layouts import NEXT_STEP


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


def to_unit(photo: UInt8[Tensor, "*b c h w"]) -> Float[Tensor, "*b c h w"]:
    r"""8-bit levels to [-1, 1]."""
    return photo.float() / 127.5 - 1


def read_picture(path: Path, mode: Literal["RGB", "L"] = "RGB") -> UInt8[Tensor, "c h w"]:
    r"""The pixels of a picture, three channels or one. Raises :class:`FolderError`."""
    with open_picture(path) as image:
        decode(image, path)
        pixels = torch.from_numpy(np.array(image.convert(mode)))
    return rearrange(pixels, "h w c -> c h w" if mode == "RGB" else "h w -> 1 h w").contiguous()


class FolderDataset(Dataset):
    r"""The scenes of a folder, cut and flipped as drawn from (seed, epoch, index) alone.

    ``folder`` lies in a layout of :data:`ecgan.data.folders.conventions.CONVENTIONS`, which is
    recognised unless given by name. ``augment`` draws crops and flips (by default for the split
    "train" only). ``edges`` are found when a batch is put together ("compute"), or stand in the
    folder edges/ ("read"). Raises :class:`FolderError` for a folder that does not fit together,
    and when a sample with a wrong file is asked for.
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

    def set_epoch(self, epoch: int) -> None:
        r"""Crops and flips are drawn anew in each epoch."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        scene = self.scenes[index]
        photo = read_picture(scene.image)
        size = tuple(photo.shape[1:])
        draws = np.random.default_rng((self.seed, int(self._epoch[0]), index))
        geometry = draw(self.config, draws if self.augment else None)
        labels = geometry.of_labels(self._labels(scene, size))
        instances = np.zeros_like(labels)
        if scene.instance is not None:
            instances = geometry.of_labels(_sized(read_ids(scene.instance), scene.instance, size))
        edges = None
        if self.edges == "read":
            lines = read_picture(scene.edge, "L")
            _sized(lines[0], scene.edge, size)
            edges = repeat(geometry.of_picture(to_unit(lines)), "1 h w -> c h w", c=3)
        return Sample(
            labels=torch.from_numpy(labels),
            instances=torch.from_numpy(instances.astype(np.int64)),
            image=geometry.of_picture(to_unit(photo)),
            edges=edges,
            photo=photo if edges is None else None,
            geometry=geometry,
        )

    def whole_labels(self, index: int) -> Int[Tensor, "h w"]:
        r"""The class ids of a scene at the size of its label file."""
        scene = self.scenes[index]
        with open_picture(scene.image) as image:
            width, height = image.size
        return torch.from_numpy(self._labels(scene, (height, width)))

    def _labels(self, scene: Scene, size: tuple[int, int]) -> Int[np.ndarray, "h w"]:
        values = _sized(read_ids(scene.label), scene.label, size).astype(np.int64)
        model = self.config.model
        labels = values - self.convention.first
        for value, known in self.convention.special.items():
            labels[values == value] = known
        for value in np.unique(values).tolist():
            limits = {"classes": model.classes, "dont_care": model.dont_care}
            if not self.convention.allows(value, **limits):
                name = scene.label.relative_to(self.root).as_posix()
                raise FolderError(self.convention.wrong_label(value, name, **limits))
        return labels


def _sized(planes, path: Path, size: tuple[int, int]):
    if tuple(planes.shape) != size:
        raise FolderError(
            f"{path} is {planes.shape[1]} x {planes.shape[0]} pixels (width x height), its image "
            f"{size[1]} x {size[0]}; they must be equal: {NEXT_STEP}"
        )
    return planes
