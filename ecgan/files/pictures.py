r"""Pixels as the content of a PNG file."""

import io

import numpy as np
from jaxtyping import Shaped
from PIL import Image


def as_png(pixels: Shaped[np.ndarray, "h w *c"]) -> bytes:
    r"""The bytes of a PNG: 8 bits in colour "h w 3" or grey, 16 bits grey."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()
