r"""The paints of the toy world: which class each belongs to, its colour, and how light changes it.

A scene is drawn as a map of *paints*. Each paint belongs to one class and has one colour, so labels
and images come from the very same geometry, and another light is another table of colours. All
arithmetic is on integers: the same on every machine. [I], chapter 01.
"""

import numpy as np
from jaxtyping import UInt8

CLASSES = ("sky", "road", "building", "pavement", "tree", "roof", "car", "lamp", "person")
SKY_BANDS = 16

RGB = tuple[int, int, int]

_labels: list[int] = [0]
_colours: list[RGB] = [(0, 0, 0)]  # paint 0: nothing, the transparent part of a sprite
_glows: list[bool] = [False]


def _add(name: str, *colours: RGB, glows: bool = False) -> int:
    r"""Adds neighbouring paints of one class; returns the number of the first."""
    first = len(_labels)
    _labels.extend(CLASSES.index(name) for _ in colours)
    _colours.extend(colours)
    _glows.extend(glows for _ in colours)
    return first


def _blend(a: RGB, b: RGB, part: int, of: int) -> RGB:
    red, green, blue = ((p * (of - part) + q * part) // of for p, q in zip(a, b))
    return red, green, blue


def _tones(colour: RGB) -> tuple[RGB, RGB, RGB]:
    r"""A wall or a car body: plain, its darker lines, its shaded side."""
    return colour, _blend(colour, (24, 20, 34), 3, 10), _blend(colour, (24, 20, 48), 4, 9)


_WALLS = ((198, 96, 74), (228, 194, 140), (136, 156, 190), (186, 146, 180), (154, 182, 156))
_BODIES = ((216, 44, 46), (248, 198, 44), (46, 98, 210), (240, 240, 238), (44, 162, 148))
WALLS, BODIES, TONES = len(_WALLS), len(_BODIES), 3

_sky = (_blend((88, 154, 230), (200, 228, 246), i, SKY_BANDS - 1) for i in range(SKY_BANDS))
SKY = _add("sky", *_sky)
CLOUD, CLOUD_SHADE = _add("sky", (252, 252, 252)), _add("sky", (222, 232, 244))
ROAD, SHADOW = _add("road", (98, 98, 108), (86, 86, 97)), _add("road", (54, 54, 66))
DASH, YELLOW_LINE = _add("road", (238, 236, 226)), _add("road", (222, 178, 62))
PAVING, JOINT = _add("pavement", (192, 184, 172)), _add("pavement", (124, 116, 112))
KERB, GUTTER = _add("pavement", (222, 216, 204)), _add("pavement", (118, 112, 110))
WALL = _add("building", *(tone for wall in _WALLS for tone in _tones(wall)))
GLASS, GLASS_TOP = _add("building", (92, 124, 158)), _add("building", (48, 62, 92))
LIT = _add("building", (255, 224, 124), (238, 182, 84), glows=True)
SILL, DOOR = _add("building", (240, 234, 220)), _add("building", (92, 52, 42))
AWNING = _add("building", (206, 64, 58), (246, 240, 226))
TILES = _add("roof", (138, 62, 54), (104, 42, 42))
SLATE = _add("roof", (74, 66, 82), (116, 106, 118))
LEAF, LEAF_LIGHT = _add("tree", (44, 132, 62)), _add("tree", (118, 202, 90))
LEAF_DARK, TRUNK = _add("tree", (22, 84, 54)), _add("tree", (104, 70, 46))
BODY = _add("car", *(tone for body in _BODIES for tone in _tones(body)))
CAR_GLASS, TYRE = _add("car", (128, 176, 208)), _add("car", (26, 26, 34))
HUB, BACK = _add("car", (176, 178, 186)), _add("car", (150, 20, 34))
FRONT = _add("car", (255, 244, 190), glows=True)
POLE = _add("lamp", (28, 34, 40), (66, 76, 82))
LANTERN = _add("lamp", (255, 238, 140), (255, 252, 216), glows=True)
SKIN, HAIR = _add("person", (246, 190, 146)), _add("person", (66, 38, 28))
COATS = _add("person", (226, 34, 78), (34, 70, 206), (255, 206, 40))
TROUSERS = _add("person", (34, 34, 70))

LABELS = np.array(_labels, dtype=np.uint8)
COLOURS = np.array(_colours, dtype=np.int32)
GLOWS = np.array(_glows)
_IS_SKY = np.array([name == CLASSES.index("sky") for name in _labels])


def lit(brightness: int, warmth: int) -> UInt8[np.ndarray, "paints 3"]:
    r"""The table of colours of each paint in one light.

    Brightness is in 256ths (256: noon); warmth from -32 (cold) to 32 (golden). Lamps, lit windows
    and headlights shine by themselves, whatever the light.
    """
    warmths = np.where(_IS_SKY, warmth // 2, warmth)  # the sky changes less than what it shines on
    light = brightness + np.stack((warmths, warmths // 4, -warmths), axis=-1)
    colours = COLOURS * light >> 8
    colours[GLOWS] = COLOURS[GLOWS]
    return np.minimum(colours, 255).astype(np.uint8)
