r"""Pictures of ids: reading a label or instance file as numbers, with errors a student can use."""

from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image, UnidentifiedImageError

from ecgan.data.folders.conventions import FolderError

ID_MODES = ("L", "P", "I", "I;16", "I;16B", "I;16L", "1")
LOSSY = ("JPEG", "WEBP")


class ColourLabelError(FolderError):
    r"""A label file that shows colours instead of holding ids."""


def open_picture(path: Path) -> Image.Image:
    r"""An opened image, not yet decoded. Raises :class:`FolderError` for what is none."""
    try:
        return Image.open(path)
    except UnidentifiedImageError as error:
        raise FolderError(f"{path} is not an image; delete it or fetch it again") from error
    except OSError as error:
        raise FolderError(f"{path} is damaged or cannot be opened ({error})") from error


def decode(image: Image.Image, path: Path) -> None:
    r"""Read all pixels. Raises :class:`FolderError` where the file ends too early."""
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise FolderError(
            f"{path} is truncated or damaged ({error}); fetch or export it again"
        ) from error


def read_ids(path: Path) -> Integer[np.ndarray, "h w"]:
    r"""The whole numbers of a grey or palette picture, in the file's own integer type.

    Raises :class:`ColourLabelError` for a colour picture, :class:`FolderError` for what cannot be
    read.
    """
    with open_picture(path) as image:
        if image.mode not in ID_MODES:
            raise ColourLabelError(_colour_message(image, path))
        if image.format in LOSSY:
            raise FolderError(
                f"{path} is a {image.format} file, which changes ids to save space; export the "
                f"label map again as PNG"
            )
        decode(image, path)
        ids = np.array(image)
    return ids.astype(np.uint8) if ids.dtype == bool else ids


def _colour_message(image: Image.Image, path: Path) -> str:
    decode(image, path)
    colours = np.asarray(image.convert("RGB"))
    if (colours[..., :1] == colours).all():
        return (
            f"{path} stores grey ids as colours (mode {image.mode}): keep one channel, "
            f'Image.open(path).convert("RGB").getchannel(0)'
        )
    return (
        f"{path} is a colour picture (mode {image.mode}); a label map is a grey or palette PNG of "
        f"ids: convert it with ecgan.method.layouts.from_colors and your palette"
    )
