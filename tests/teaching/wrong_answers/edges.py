r"""Typical wrong answers to the exercises on edges, and the hint that each must get."""

import torch
import torch.nn.functional as F

from ecgan.data import toy
from ecgan.method.edges import ALONG_GRADIENT, Canny, beside, canny, suppress


def _thinned(magnitude, direction, *, offsets=ALONG_GRADIENT, strict=False, border=True):
    bordered = F.pad(magnitude, (1, 1, 1, 1))
    keep = torch.zeros_like(magnitude, dtype=torch.bool)
    for index, (down, right) in enumerate(offsets):
        sides = beside(bordered, down, right), beside(bordered, -down, -right)
        highest = magnitude >= torch.maximum(*sides)
        if strict:
            highest = magnitude > torch.maximum(*sides)
        keep |= (direction == index) & highest
    if border:
        keep[:, [0, -1]] = False
        keep[:, :, [0, -1]] = False
    return magnitude * keep


def _along_the_edge(magnitude, direction):
    return _thinned(magnitude, direction, offsets=((1, 0), (1, -1), (0, 1), (1, 1)))


def _with_border(magnitude, direction):
    return _thinned(magnitude, direction, border=False)


def _strict(magnitude, direction):
    return _thinned(magnitude, direction, strict=True)


def _y_upwards(magnitude, direction):
    return _thinned(magnitude, direction, offsets=((0, 1), (1, -1), (1, 0), (1, 1)))


def _first_of_the_batch(magnitude, direction):
    kept = suppress(magnitude, direction)
    kept[1:] = 0
    return kept


def _right_density(images, high):
    settings = Canny(sigma=0.8, low=3 / 7 * high, high=high)
    return canny(images, settings=settings).float().mean()


def _authors_density(images, high):
    return canny(images).float().mean()


_SCENE = toy.scenes(1, seed=1).images
_GREY_SQUARE, _TOO_MUCH = _SCENE.clone(), _SCENE.clone()
_GREY_SQUARE[:, :, 2:10, 2:10] = 0
_TOO_MUCH[:, :, 2:20, 2:20] = 1

WRONG = {
    "edges.ridge": [
        ([2, 5], "does either of them exceed the other"),
        ([2, 3], "you miss a ridge"),
        ([3, 4, 6], "you miss a ridge"),
        ([2, 3, 4, 5], "column 4 has a larger neighbour"),
        ([0, 2, 3, 5], "the outermost pixels"),
        (7.5, "hand in a list of columns"),
    ],
    "edges.thin": [
        (_along_the_edge, "a vertical ridge"),
        (_with_border, "the outermost pixels are never edges"),
        (_strict, "use >=, not >"),
        (_y_upwards, "rows count downwards"),
        (_first_of_the_batch, "every image of the batch"),
    ],
    "edges.density": [
        ((_authors_density, 0.5), "low = 3/7 of high"),
        ((_right_density, ...), "Now choose `high`"),
        ((_right_density, 0.2), "A higher threshold?"),
        ((_right_density, 0.9), "A lower threshold?"),
        ((_right_density, 40), "a share of the largest magnitude"),
    ],
    "edges.blinding": [
        ((_SCENE, _SCENE), "nothing has changed"),
        ((_SCENE, _GREY_SQUARE), "what would make that larger?"),
        ((_SCENE, _TOO_MUCH), "are allowed"),
        ((_SCENE, _SCENE * 3), "must stay in [-1, 1]"),
    ],
}
