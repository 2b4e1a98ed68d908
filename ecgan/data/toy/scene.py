r"""One street of the toy world: where its sky, houses, trees, lamps, people and cars stand.

Chance decides the layout, the light, and the colours of buildings and cars; all else follows from
the layout. [I], chapter 01.
"""

from collections.abc import Iterator

import numpy as np

from ecgan.data.toy import paints as paint
from ecgan.data.toy import sprites as sprite

# How many of a thing there are in a square of street: one of these twenty, drawn.
OFTEN = {
    "tree": 3 * (0,) + 10 * (1,) + 7 * (2,),
    "car": 1 * (0,) + 9 * (1,) + 10 * (2,),
    "lamp": 4 * (0,) + 14 * (1,) + 2 * (2,),
    "person": 4 * (0,) + 9 * (1,) + 7 * (2,),
}


class Dice:
    r"""Whole numbers from PCG64's raw stream, which NumPy promises not to change."""

    def __init__(self, *, seed: int, index: int) -> None:
        self._numbers = self._stream(np.random.PCG64([seed, index]))

    @staticmethod
    def _stream(bits: np.random.PCG64) -> Iterator[int]:
        while True:
            yield from bits.random_raw(64).tolist()

    def __call__(self, low: int, high: int) -> int:
        r"""A whole number from `low` to `high`, both included."""
        return low + (next(self._numbers) >> 11) % (high - low + 1)

    def shuffled(self, count: int) -> list[int]:
        r"""The numbers below `count` in an order of chance."""
        order = list(range(count))
        for i in range(count - 1, 0, -1):
            j = self(0, i)
            order[i], order[j] = order[j], order[i]
        return order


class Scene:
    r"""One scene in the making: a map of paints, a map of instances, a light."""

    def __init__(self, *, height: int, width: int, dice: Dice) -> None:
        self.height, self.width, self.dice = height, width, dice
        self.unit = min(height, width * 3 // 2)  # what counts as 64 pixels
        self.px = sprite.scale(self.unit)
        self.blocks = max(1, (width + self.unit // 2) // self.unit)  # squares of street
        self.paints = np.empty((height, width), dtype=np.uint8)
        self.instances = np.zeros((height, width), dtype=np.int32)
        self.drawn = 0
        self.horizon = height * dice(72, 80) // 128
        self.road = self.horizon + height * dice(11, 14) // 128
        self._ground()
        self._buildings()
        self._pavement()
        self.colours = paint.lit(dice(184, 264), dice(-24, 28))

    def put(self, image: sprite.Sprite, top: int, left: int, *, counts: bool = True) -> None:
        r"""Draws a sprite, cut at the borders; one that counts becomes an instance."""
        high, wide = image.shape
        image = image[max(0, -top) : self.height - top, max(0, -left) : self.width - left]
        place = np.s_[max(0, top) : top + high, max(0, left) : left + wide]
        drawn = image != 0
        self.drawn += counts
        np.copyto(self.paints[place], image, where=drawn)
        np.copyto(self.instances[place], self.drawn if counts else 0, where=drawn)

    def often(self, name: str) -> int:
        r"""How many of a thing stand here: a draw from OFTEN for each square of street."""
        return sum(OFTEN[name][self.dice(0, 19)] for _ in range(self.blocks))

    def _ground(self) -> None:
        px, horizon, road = self.px, self.horizon, self.road
        for band in range(paint.SKY_BANDS):
            self.paints[band * horizon // paint.SKY_BANDS : horizon] = paint.SKY + band
        self.paints[horizon:road] = paint.PAVING
        self.paints[horizon:road, px(10) :: px(16)] = paint.JOINT
        self.paints[road - px(4) : road - px(2)] = paint.KERB
        self.paints[road - px(2) : road] = paint.GUTTER
        middle = road + (self.height - road) // 2
        self.paints[road:middle] = paint.ROAD
        self.paints[middle:] = paint.ROAD + 1
        self.paints[road + px(4) : road + px(6)] = paint.YELLOW_LINE
        for left in range(px(4), self.width, px(24)):
            self.paints[middle : middle + px(3), left : left + px(12)] = paint.DASH

    def _buildings(self) -> None:
        dice, px, horizon = self.dice, self.px, self.horizon
        boxes, right = [], -px(dice(0, 20))
        while right < self.width:
            left = right + dice(0, 1) * px(dice(8, 20))
            right = left + px(dice(24, 38))
            start, stop = max(0, left), min(self.width, right)
            if stop - start >= px(14):
                boxes.append((horizon - horizon * dice(55, 95) // 128, start, stop))
        # Clouds float where the layout leaves room for them: over the lowest houses.
        for i, (top, left, stop) in enumerate(sorted(boxes, reverse=True)[: 1 + self.blocks]):
            image = sprite.cloud(px(32 - 8 * (i % 2)))
            high, wide = image.shape
            self.put(image, top // 3 - high // 2, (left + stop - wide) // 2, counts=False)
        colour = dice(0, paint.WALLS - 1)
        for top, left, stop in boxes:
            wall = sprite.facade(horizon - top, stop - left, self.unit)
            self.put(sprite.recolour(wall, paint.WALL, colour), top, left)
            cap = sprite.roof(stop - left + 2 * px(2), dice(0, 3) == 0, self.unit)
            self.put(cap, top - len(cap) + px(2), left - px(2), counts=False)
            colour = (colour + dice(1, paint.WALLS - 1)) % paint.WALLS

    def _pavement(self) -> None:
        r"""Trees, lamps and people, each with its feet in a stretch of pavement of its own."""
        dice, px, stretch = self.dice, self.px, min(self.px(18), self.width // 5)
        order = dice.shuffled(max(5, self.width // stretch))
        feet = [i * stretch + dice(0, stretch - 1) for i in order]
        trees, lamps, people = (self.often(name) for name in ("tree", "lamp", "person"))
        for x in feet[:trees]:
            across, tall = dice(20, 32), dice(0, 3) == 0
            crown = (px(across * 3 // 2), px(across * 3 // 4)) if tall else (px(across), px(across))
            image = sprite.tree(crown, px(dice(10, 14)), self.unit)
            self.put(image, self.road - px(5) - len(image), x - crown[1] // 2)
        self._cars()
        for x in feet[trees:][:lamps]:
            image = sprite.lamp(px(dice(30, 36)), self.unit)
            self.put(image, self.road - px(2) - len(image), x - px(4))
        for x in feet[trees + lamps :][:people]:
            image = sprite.person(dice(0, 2), self.unit)
            self.put(image, self.road - px(dice(2, 6)) - len(image), x - px(4))

    def _cars(self) -> None:
        r"""Cars on the far lane drive left, cars on the near lane right."""
        dice, px, lane = self.dice, self.px, (self.height - self.road) // 2
        places = dice.shuffled(4 * self.blocks)[: self.often("car")]
        for place in sorted(places, key=lambda place: place % 2):
            near, stretch = place % 2, place // 2
            image = sprite.recolour(
                sprite.car(dice(0, 2), self.unit), paint.BODY, dice(0, paint.BODIES - 1)
            )
            high, wide = image.shape
            left = self.width * stretch // (2 * self.blocks) + px(dice(-8, 34))
            bottom = self.road + lane + near * (lane - px(3))
            shadow = np.full((px(2), wide), paint.SHADOW, dtype=np.uint8)
            self.put(shadow, bottom - px(2), left + px(2) * (2 * near - 1), counts=False)
            self.put(image if near else image[:, ::-1], bottom - high, left)
