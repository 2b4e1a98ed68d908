r"""Label files to paint: which files are meant, read as the model's training read them, to a size.

The numbering comes from the model's own file; the size from the label file, as far as the
generator can paint it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Int, Integer
from torch import Tensor

from ecgan.config import ModelConfig
from ecgan.data.folders.conventions import (
    ANY_FOLDER,
    CONVENTIONS,
    PICTURES,
    Convention,
    FolderError,
    recognise,
    walk,
)
from ecgan.data.folders.geometry import Geometry
from ecgan.data.folders.labels import WrongLabel, check_size, read_ids, read_labels
from ecgan.data.folders.numbering import Numbering

# Times the side that the model was trained at, unless a size is asked for; painted in windows.
LARGEST, IN_WINDOWS = 4, 16
FAR_UP = 3  # folders above a label file in which a published data set is looked for
Size = tuple[int, int]


class Layout(NamedTuple):
    r"""A layout as the generator takes it, and a word about what was done to its size, if any."""

    labels: Int[Tensor, "1 h w"]
    instances: Int[Tensor, "1 h w"] | None
    said: str


def layout_files(paths: list[Path]) -> dict[str, Path]:
    r"""Label files by what their pictures will be called; those of folders and their subfolders.

    Hidden files do not count, endings in capitals do. A folder that holds images/ and labels/, or a
    published data set, gives its label files. Raises :class:`FolderError` where a path holds none,
    or two files would get one name.
    """
    files: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise FolderError(f"there is no {path}: name label PNGs, or folders that hold some")
        found = _in_folder(path) if path.is_dir() else {path.stem: path}
        if not found:
            endings = ", ".join(PICTURES)
            raise FolderError(f"no layout is in {path}: it holds no file that ends with {endings}")
        for name, file in found.items():
            if name in files:
                raise FolderError(
                    f"{files[name]} and {file} would both become {name}_final.png; write them into "
                    f"folders of their own by two commands"
                )
            files[name] = file
    if not files:
        raise FolderError("no layout was given: name label PNGs, or folders that hold some")
    return files


def _in_folder(folder: Path) -> dict[str, Path]:
    convention = recognise(folder)
    if convention is not None:
        found = {}
        splits = ("train", "val") if "{split}" in convention.labels.folder else ("",)
        for split in splits:
            named = convention.labels.find(folder, convention.folder_of(split))
            found |= {(Path(split) / key).as_posix(): paths[0] for key, paths in named.items()}
        return found
    found = {}
    for path in walk(folder):
        if ANY_FOLDER.labels.reads(path.suffix):
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise FolderError(
                    f"{found[name]} and {path} would both become {name}_final.png; keep one of them"
                )
            found[name] = path
    return found


def check_out(out: Path, paths: list[Path]) -> None:
    r"""Raise :class:`FolderError` where pictures would be taken for layouts the next time."""
    for path in paths:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise FolderError(
                f"{out} lies in {path}, from which the layouts come: pictures there would be taken "
                f"for layouts the next time; choose a folder beside it"
            )


def home(path: Path) -> Convention | None:
    r"""The published data set in whose folder a label file lies, beside its image; None if in none.

    Only those count whose numbering is not the plain one.
    """
    path = path.resolve()
    for folder in path.parents[:FAR_UP]:
        for convention in (one for one in CONVENTIONS.values() if one.first or one.special):
            for split in map(convention.folder_of, ("train", "val")):
                labels, images = (
                    (files, folder / files.folder.format(split=split))
                    for files in (convention.labels, convention.images)
                )
                stem = path.stem
                if path.is_relative_to(labels[1]) and stem.endswith(labels[0].ending):
                    key = path.relative_to(labels[1]).parent / stem.removesuffix(labels[0].ending)
                    image = images[1] / f"{key}{images[0].ending}{images[0].suffixes[0]}"
                    if image.is_file():
                        return convention
    return None


def check_numbering(path: Path, numbering: Numbering) -> None:
    r"""Raise :class:`WrongLabel` for a file of a data set that is numbered in another way."""
    other = home(path)
    if other is not None and not other.reads_like(numbering):
        raise WrongLabel(
            f"{path} is a label file of {other.title}, numbered from {other.first}; this model "
            f"reads files numbered as {numbering.name}, from {numbering.first}: take a model "
            f"trained on {other.title}, or say --numbering {other.name} if that is meant"
        )


def fitting_size(size: Size, model: ModelConfig, *, largest: int = LARGEST) -> Size:
    r"""The (h, w) to paint a file of ``size`` at: its own where the generator can.

    Otherwise the one closest in proportions, and then in size, of the multiples that the generator
    can paint; at most ``largest`` times as large as it was trained at. [I]
    """
    step = 2**model.doublings
    most = largest**2 * model.height * model.width
    if all(side % step == 0 for side in size) and size[0] * size[1] <= most:
        return size
    shrink = min(1.0, (most / (size[0] * size[1])) ** 0.5)
    wanted = [max(1.0, side * shrink / step) for side in size]
    lengths = [range(max(1, int(side / 2)), int(2 * side) + 2) for side in wanted]
    rows, columns = (np.array(counts) for counts in lengths)
    ratio = np.log(rearrange(rows, "h -> h 1") / columns) - np.log(size[0] / size[1])
    scale = np.log(rearrange(rows, "h -> h 1") * columns) - np.log(wanted[0] * wanted[1])
    allowed = rearrange(rows, "h -> h 1") * columns * step**2 <= max(most, step**2)
    costs = np.where(allowed, 4 * np.abs(ratio) + np.abs(scale) / 2, np.inf)
    row, column = np.unravel_index(int(costs.argmin()), costs.shape)
    return int(rows[row]) * step, int(columns[column]) * step


def check_asked(size: Size, model: ModelConfig) -> None:
    r"""Raise :class:`FolderError` for a size (h, w) that the generator cannot paint."""
    step = 2**model.doublings
    if any(side < step or side % step for side in size):
        near = "x".join(str(max(step, round(side / step) * step)) for side in size)
        raise FolderError(
            f"size is {size[0]}x{size[1]} (height x width); this model paints multiples of {step}: "
            f"try --size {near}"
        )


def resized(ids: Integer[np.ndarray, "h w"], size: Size) -> Int[Tensor, "1 h2 w2"]:
    r"""Ids by nearest neighbour, exactly as training resizes a whole scene."""
    fitted = Geometry(resized=size, corner=(0, 0), size=size).of_labels(ids.astype(np.int64))
    return rearrange(torch.from_numpy(fitted), "h w -> 1 h w")


def read_layout(
    path: Path,
    *,
    numbering: Numbering,
    model: ModelConfig,
    size: Size | None = None,
    instances: Path | None = None,
    largest: int = LARGEST,
) -> Layout:
    r"""A label file as the model's training would have read it, at ``size`` (h, w) or its own.

    Its own as far as :func:`fitting_size` lets it be.
    ``instances`` is a file of instance ids of the same size. Raises as
    :func:`ecgan.data.folders.labels.read_labels`.
    """
    labels = read_labels(path, numbering=numbering, model=model)
    target = size or fitting_size(labels.shape, model, largest=largest)
    ids = None
    if instances is not None:
        values = read_ids(instances)
        check_size(values, instances, labels.shape)
        ids = resized(values, target)
    return Layout(resized(labels, target), ids, _said(path, labels.shape, target))


def _said(path: Path, size: Size, target: Size) -> str:
    if target == size:
        return ""
    (height, width), (rows, columns) = size, target
    stretched = (columns / rows) / (width / height) - 1
    squash = f", {abs(stretched):.0%} {'wider' if stretched > 0 else 'narrower'} than it is"
    return (
        f"{path} is {height} x {width} (height x width); painted at {rows} x {columns}"
        f"{squash if abs(stretched) > 0.005 else ''}"
    )
