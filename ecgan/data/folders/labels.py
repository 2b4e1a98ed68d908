r"""The one reader of label files: from a picture of ids to class ids, or a sentence that helps.

Training, synthesis, doctor, segmenter and evaluation all read by it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Int64, Integer, Shaped
from PIL import Image

from ecgan.config import ModelConfig
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.numbering import Numbering
from ecgan.data.folders.opening import decode, open_picture, turned
from ecgan.method.layouts import NEXT_STEP

ID_MODES = ("L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N", "1")
LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF")
Palette = dict[int, tuple[int, ...]]


class ColourLabelError(FolderError):
    r"""A label file that shows colours instead of holding ids."""


class WrongLabel(FolderError):
    r"""A label file that holds a value which is no class."""


class WrongSize(FolderError):
    r"""A file of a scene that has another size than its image."""


class Ids(NamedTuple):
    r"""The whole numbers of a file, and the colours its palette shows them in, where it has one."""

    values: Integer[np.ndarray, "h w"]
    palette: Palette


def read_file(path: Path) -> Ids:
    r"""The whole numbers of a grey or palette picture, turned as a viewer shows them.

    Raises :class:`ColourLabelError` for a colour picture, :class:`FolderError` for a kind of file
    that changes ids or holds fractions, and for what cannot be read.
    """
    with open_picture(path) as image:
        if image.format in LOSSY:
            raise FolderError(
                f"{path} is a {image.format} file, which changes ids to save space; export the "
                f"label map again as PNG"
            )
        if image.mode == "F":
            raise FolderError(
                f"{path} holds fractions (32-bit floats); a label map holds whole numbers: export "
                f"it again as 8-bit PNG"
            )
        if image.mode not in ID_MODES:
            raise ColourLabelError(_colour_message(image, path))
        decode(image, path)
        upright = turned(image)
        values = np.array(upright)
        palette = _palette(upright)
    if values.dtype == bool:
        values = values.astype(np.uint8)
    return Ids(values.astype(values.dtype.newbyteorder("=")), palette)


def read_ids(path: Path) -> Integer[np.ndarray, "h w"]:
    r"""The whole numbers of a file, in its own integer type; raises as :func:`read_file`."""
    return read_file(path).values


def check_size(planes: Shaped[np.ndarray, "h w"], path: Path, size: tuple[int, int] | None) -> None:
    r"""Raise :class:`WrongSize` unless a file has its image's ``size`` (h, w); None allows all."""
    if size is not None and planes.shape != tuple(size):
        raise WrongSize(
            f"{path} is {planes.shape[1]} x {planes.shape[0]} pixels (width x height), its image "
            f"{size[1]} x {size[0]}; they must be equal: {NEXT_STEP}"
        )


def read_labels(
    path: Path,
    *,
    numbering: Numbering,
    model: ModelConfig,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> Int64[np.ndarray, "h w"]:
    r"""The class ids that a label file stands for, at its own size; 255 is don't care.

    ``size`` is the (h, w) it must have, ``name`` what messages call it. Raises as
    :func:`read_file`, :class:`WrongSize`, and :class:`WrongLabel` for a value that is no class.
    """
    values = read_ids(path)
    check_size(values, path, size)
    limits = {"classes": model.classes, "dont_care": model.dont_care}
    for value in np.unique(values).tolist():
        if not numbering.allows(value, **limits):
            raise WrongLabel(numbering.wrong_label(value, name or str(path), **limits))
    return numbering.classes_of(values)


def _palette(image: Image.Image) -> Palette:
    if image.mode != "P" or image.palette is None:
        return {}
    mode, colours = image.palette.mode, list(image.palette.palette)
    step = len(mode)
    rows = [tuple(colours[start : start + 3]) for start in range(0, len(colours), step)]
    return dict(enumerate(rows))


def _colour_message(image: Image.Image, path: Path) -> str:
    decode(image, path)
    colours = np.asarray(image.convert("RGB"))
    if (colours == rearrange(colours[..., 0], "h w -> h w 1")).all():
        return (
            f"{path} stores grey ids as colours (mode {image.mode}): keep one channel, "
            f'Image.open(path).convert("RGB").getchannel(0)'
        )
    return (
        f"{path} is a colour picture (mode {image.mode}); a label map is a grey or palette PNG of "
        f"ids: convert it with ecgan.method.layouts.from_colors and your palette"
    )
