r"""The one reader of photographs: every depth, mode, turn as a viewer shows it, or a sentence."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Shaped, UInt8
from PIL import ExifTags, Image
from torch import Tensor

from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.opening import decode, open_picture, turned

DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
WHITE = (255, 255, 255, 255)
SIDEWAYS = (5, 6, 7, 8)  # values of the EXIF flag that exchange width and height
LEVELS, DEEP_LEVELS = 255, 65535


def to_unit(photo: UInt8[Tensor, "*b c h w"]) -> Float[Tensor, "*b c h w"]:
    r"""8-bit levels to [-1, 1]."""
    return photo.float() / 127.5 - 1


def _scaled(values: Shaped[np.ndarray, "h w"], path: Path) -> UInt8[np.ndarray, "h w"]:
    r"""Deep grey values as 8 bits: the full range of their format, nothing stretched."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        kind = "32-bit floats"
        full = 1 if high <= 1 else LEVELS
        allowed = f"0 to 1, or 0 to {LEVELS}"
    else:
        sixteen = values.dtype.itemsize == 2 or high > LEVELS
        kind = "16-bit numbers" if values.dtype.itemsize == 2 else "32-bit numbers"
        full = DEEP_LEVELS if sixteen else LEVELS
        allowed = f"0 to {LEVELS}, or 0 to {DEEP_LEVELS}"
    if not (np.isfinite(low) and np.isfinite(high) and low >= 0 and high <= full):
        raise FolderError(
            f"{path} holds {kind} from {low} to {high}; a photograph's run from {allowed}: save it "
            f"again with 8 bits"
        )
    return np.rint(values.astype(np.float64) * (LEVELS / full)).astype(np.uint8)


def _shown_size(image: Image.Image) -> tuple[int, int]:
    r"""(height, width) after the turn."""
    if image.format == "TIFF":  # Pillow turns these itself, when it reads them
        image.load()
    try:
        flag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        flag = 1
    width, height = image.size
    return (width, height) if flag in SIDEWAYS else (height, width)


def _eight_bits(image: Image.Image, path: Path, mode: Literal["RGB", "L"]) -> Image.Image:
    if image.mode in DEEP or image.mode == "F":
        grey = Image.fromarray(_scaled(np.asarray(image), path))
        return grey if mode == "L" else grey.convert(mode)
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, WHITE), over)
    return image.convert("RGB").convert(mode) if image.mode == "CMYK" else image.convert(mode)


def read_picture(path: Path, mode: Literal["RGB", "L"] = "RGB") -> UInt8[Tensor, "c h w"]:
    r"""The pixels of a picture as a viewer shows them, three channels or one.

    Turned as its EXIF flag says. Grey levels of 16 bits fill 8 (65535 is white); 32-bit numbers
    and floats are read where their values say what white is (1 or 255, 255 or 65535), and refused
    otherwise. What is transparent shows white. Raises :class:`FolderError`, with the file's name.
    """
    with open_picture(path) as image:
        decode(image, path)
        pixels = torch.from_numpy(np.array(_eight_bits(turned(image), path, mode)))
    return rearrange(pixels, "h w c -> c h w" if mode == "RGB" else "h w -> 1 h w").contiguous()


def picture_size(path: Path) -> tuple[int, int]:
    r"""(height, width) as a viewer shows it, told from the file's head. Raises as the reader."""
    with open_picture(path) as image:
        return _shown_size(image)


def examined_size(path: Path) -> tuple[int, int]:
    r"""(height, width) of a picture that :func:`read_picture` can read. Raises as it does.

    JPEG is decoded at an eighth of its size: every byte is still looked at, in half the time.
    """
    with open_picture(path) as image:
        if image.format == "JPEG":
            size, (width, height) = _shown_size(image), image.size
            image.draft("RGB", (max(1, width // 8), max(1, height // 8)))
            decode(image, path)
            return size
    return tuple(read_picture(path).shape[1:])
