r"""What large photographs cost a training step beside its networks: their edges."""

import time
from functools import lru_cache
from typing import NamedTuple

import torch

from ecgan.data.doctor.memory import Alive
from ecgan.method.edges import edge_maps

COUNTED, TIMED = 64, 512  # sides of the pictures on which memory and time are measured


class Cost(NamedTuple):
    r"""What something takes on this machine."""

    seconds: float
    bytes: float


def _noise(side: int) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, side, side, generator=draws) * 2 - 1


@lru_cache
def edges_of_a_pixel() -> Cost:
    r"""Finding the edges of one pixel: measured on small pictures, for it grows as the pixels do.

    The bytes are the most that are alive at once, the picture's own in floats among them. [I]
    """
    with torch.no_grad():
        picture = _noise(COUNTED)
        with Alive(counts=lambda tensor: True) as alive:
            edge_maps(picture)
        picture = _noise(TIMED)
        began = time.perf_counter()
        edge_maps(picture)
        took = time.perf_counter() - began
    kept = picture.element_size() * picture.shape[1]
    return Cost(took / TIMED**2, alive.most / COUNTED**2 + kept)


def edges_of(pixels: int) -> Cost:
    r"""Finding the edges of so many pixels at once."""
    seconds, kept = edges_of_a_pixel()
    return Cost(seconds * pixels, kept * pixels)
