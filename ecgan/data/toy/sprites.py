r"""The sprites of the toy world: what a house, a tree, a car, a lamp and a person look like.

Each is a small map of paints, drawn once for a size and kept. Apart from colour, everything inside
a sprite follows from its outline, so that a layout says where each window must be. [I], chapter 01.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from ecgan.data.toy import paints as paint

Sprite = UInt8[np.ndarray, "h w"]  # numbers of paints, 0 where the sprite is transparent

CARS = ((32, 16), (30, 19), (26, 16))  # saloon, van, small car: length and height in half pixels
PEOPLE = (18, 16, 14)  # heights in half pixels


def scale(unit: int) -> Callable[[int], int]:
    r"""Lengths at 64 pixels, in halves of a pixel, -> whole pixels where 64 have become `unit`."""
    return lambda halves: (halves * unit + 64) // 128


def recolour(sprite: Sprite, first: int, colour: int) -> Sprite:
    r"""The sprite with the tones of a family's colour 0 (`paint.WALL` or `BODY`) in another."""
    table = np.arange(256, dtype=np.uint8)
    table[first : first + paint.TONES] += colour * paint.TONES
    return table[sprite]


def _oval(height: int, width: int) -> np.ndarray:
    y, x = np.ogrid[:height, :width]
    down, across = (2 * y + 1 - height) * width, (2 * x + 1 - width) * height
    return down * down + across * across <= (height * width) ** 2


@lru_cache(maxsize=1024)
def facade(height: int, width: int, unit: int) -> Sprite:
    r"""Courses of brick, a shaded side, a grid of windows centred on the wall, a shop or a door."""
    px = scale(unit)
    wall = np.full((height, width), paint.WALL, dtype=np.uint8)
    fine = unit >= 128  # room for single bricks
    course = px(4) if fine else px(6)
    wall[course - 1 :: course] = paint.WALL + 1
    if fine:
        for row in range(0, height, course):
            wall[row : row + course, row // course % 2 * course :: 2 * course] = paint.WALL + 1
    wall[:, width - px(2) :] = paint.WALL + 2

    across, down, gap_x, gap_y = px(6), px(8), px(10), px(14)
    columns = max(1, (width - px(4)) // gap_x)
    left = (width - columns * gap_x + gap_x - across) // 2
    jut = px(1) if fine else 0
    for j, y in enumerate(range(px(5), height - px(14) - down, gap_y)):
        for i in range(columns):
            x = left + i * gap_x
            glass = paint.LIT if (i + 2 * j) % 3 == 1 else paint.GLASS
            wall[y : y + down, x : x + across] = glass
            wall[y : y + px(2), x : x + across] = glass + 1
            if fine:  # a glazing bar
                wall[y : y + down, x + (across - px(1)) // 2 :][:, : px(1)] = paint.SILL
            wall[y + down - px(2) : y + down, x - jut : x + across + jut] = paint.SILL
    if width >= px(30):
        _shop(wall[height - px(13) :, px(2) : width - px(4)], px)
    else:
        middle = (width - px(6)) // 2
        wall[height - px(12) :, middle - px(2) : middle + px(8)] = paint.SILL
        wall[height - px(10) :, middle : middle + px(6)] = paint.DOOR
    return wall


def _shop(front: Sprite, px: Callable[[int], int]) -> None:
    r"""A striped awning over a lit shop window and a door."""
    width = front.shape[1]
    front[px(4) : -px(2), px(1) : width - px(1)] = paint.LIT
    front[px(4) :, width - px(9) : width - px(3)] = paint.DOOR
    for i, x in enumerate(range(0, width, px(4))):
        front[: px(5), x : x + px(4)] = paint.AWNING + i % 2


@lru_cache(maxsize=256)
def roof(width: int, pitched: bool, unit: int) -> Sprite:
    r"""A slate slab with a light eave, or red tiles in courses that lean in, with a chimney."""
    px = scale(unit)
    if not pitched:
        slab = np.full((px(5), width), paint.SLATE, dtype=np.uint8)
        slab[-px(2) :] = paint.SLATE + 1
        return slab
    high, chimney = px(10), width * 3 // 4
    tiles = np.zeros((high + px(4), width), dtype=np.uint8)
    tiles[: px(8), chimney - px(3) : chimney + px(3)] = paint.SLATE
    tiles[: px(2), chimney - px(4) : chimney + px(4)] = paint.SLATE + 1
    for row in range(high):
        inset = (high - 1 - row) * 2 // 3
        tiles[px(4) + row, inset : width - inset] = paint.TILES + (row // px(2) % 3 == 2)
    return tiles


@lru_cache(maxsize=256)
def tree(crown: tuple[int, int], trunk: int, unit: int) -> Sprite:
    r"""A crown of that height and width, lit from the upper left, with tufts at fixed places."""
    px, (high, wide) = scale(unit), crown
    image = np.zeros((high + trunk, wide), dtype=np.uint8)
    stem = max(2, (high + wide) // 10)
    image[high - px(4) :, (wide - stem) // 2 :][:, :stem] = paint.TRUNK
    leaves, oval = image[:high], _oval(high, wide)
    y, x = np.ogrid[:high, :wide]
    leaves[oval] = paint.LEAF
    leaves[oval & (x + 2 * y > wide // 2 + 3 * high // 2)] = paint.LEAF_DARK
    for j, top in enumerate(range(px(2), high, px(6))):
        for left in range(px(2) + j % 2 * px(4), wide, px(8)):
            tuft = np.s_[top : top + px(2), left : left + px(4)]
            light = left + 2 * top < wide // 2 + high
            leaves[tuft][oval[tuft]] = paint.LEAF_LIGHT if light else paint.LEAF_DARK
    return image


@lru_cache(maxsize=64)
def car(kind: int, unit: int) -> Sprite:
    r"""Saloon, van or small car, facing right: body, windows, wheels, lights."""
    px = scale(unit)
    length, height = CARS[kind]
    image = np.zeros((px(height), px(length)), dtype=np.uint8)
    high, wide = image.shape
    belt, floor = px(height - 9), px(height - 3)
    back, front = ((5, 9), (0, 5), (1, 7))[kind]
    for row in range(belt):  # the cabin widens downwards
        lean = (belt - 1 - row) // 2
        left, right = px(back) + lean * (back > 1), wide - px(front) - lean
        image[row, left:right] = paint.BODY
        if px(2) <= row:
            image[row, left + px(3) : right - px(2)] = paint.CAR_GLASS
    pillar = (px(back + 3) + wide - px(front + 2)) // 2
    image[:belt, pillar : pillar + px(2)] = paint.BODY
    image[belt:floor] = paint.BODY
    image[belt, 0] = image[belt, -1] = 0
    image[floor - px(2) : floor] = paint.BODY + 1
    image[belt + px(1) : belt + px(4), wide - px(3) :] = paint.FRONT
    image[belt + px(1) : belt + px(4), : px(2)] = paint.BACK
    wheel, hub = px(8), px(4)
    for x in (px(4), wide - px(4) - wheel):
        image[high - wheel :, x : x + wheel][_oval(wheel, wheel)] = paint.TYRE
        inset = (wheel - hub) // 2
        image[high - wheel + inset :, x + inset :][:hub, :hub] = paint.HUB
    return image


@lru_cache(maxsize=64)
def lamp(height: int, unit: int) -> Sprite:
    r"""A dark pole with a bright lantern under a cap."""
    px = scale(unit)
    wide, pole = px(8), px(3)
    image = np.zeros((height, wide), dtype=np.uint8)
    left = (wide - pole) // 2
    image[px(2) :, left : left + pole] = paint.POLE
    image[px(2) :, left : left + pole // 2] = paint.POLE + 1
    image[: px(2), px(1) : wide - px(1)] = paint.POLE
    image[px(2) : px(8)] = paint.LANTERN
    image[px(4) : px(6), px(2) : wide - px(2)] = paint.LANTERN + 1
    image[px(8) : px(10), px(1) : wide - px(1)] = paint.POLE
    image[-px(2) :, left - px(1) : left + pole + px(1)] = paint.POLE
    return image


@lru_cache(maxsize=64)
def person(kind: int, unit: int) -> Sprite:
    r"""Hair, face, a coat whose colour goes with the height, two legs."""
    px = scale(unit)
    high, wide = px(PEOPLE[kind]), px(8)
    image = np.zeros((high, wide), dtype=np.uint8)
    hip, side = high - px(6), wide // 4
    image[: px(5), side : wide - side] = paint.SKIN
    image[: px(2), side : wide - side] = paint.HAIR
    image[px(5) : hip] = paint.COATS + kind
    image[hip - px(2) : hip, :side] = image[hip - px(2) : hip, wide - side :] = paint.SKIN
    image[hip:, side : wide - side] = paint.TROUSERS
    return image


@lru_cache(maxsize=64)
def cloud(size: int) -> Sprite:
    r"""Three heaps on a shaded base."""
    high = size * 2 // 5
    image = np.zeros((high, size), dtype=np.uint8)
    for part, left, share in ((7, 0, 5), (10, 4, 6), (6, 10, 5)):  # tenths, sixteenths, twelfths
        down, across = high * part // 10, size * share // 12
        heap = image[high - down :, size * left // 16 :][:, :across]
        heap[_oval(down, across)[:, : heap.shape[1]]] = paint.CLOUD
    shade = image[high - high // 3 :]
    shade[shade == paint.CLOUD] = paint.CLOUD_SHADE
    return image
