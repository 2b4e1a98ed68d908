r"""Which crop of which large picture a number stands for, in training and in validation."""

from itertools import accumulate

import numpy as np
from tqdm import tqdm

from ecgan.config import Config
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.geometry import Window, draw_window, side_by_side, too_small
from ecgan.data.folders.photographs import picture_size
from ecgan.data.folders.scenes import Scene
from ecgan.data.folders.tiles import Tiles
from ecgan.files.progress import quiet
from ecgan.method.layouts import IGNORE

LABEL = 3  # the plane of a tile
MOST_IGNORED = 0.2  # share of a crop that may be don't care
TRIES = 20  # draws of a crop until it keeps to that; then the last one is taken


class Crops:
    r"""The crops of ``scenes``: drawn in each epoch anew, or (not ``drawn``) side by side.

    Of those side by side, the ones with more than a fifth don't care are left out. Raises
    :class:`FolderError` for a picture into which no crop fits.
    """

    def __init__(self, *, scenes: list[Scene], tiles: Tiles, config: Config, drawn: bool):
        self.scenes, self.tiles, self.config, self.drawn = scenes, tiles, config, drawn
        self.sizes = [picture_size(scene.image) for scene in scenes]
        for scene, size in zip(scenes, self.sizes, strict=True):
            if reason := too_small(size, config):
                raise FolderError(f"{scene.image} is {reason}")
        if drawn:
            asked = config.data.crops_per_image
            counts = [asked or len(side_by_side(size, config)) for size in self.sizes]
            self.ends = list(accumulate(counts))
        else:
            self.still = self._side_by_side()

    def __len__(self) -> int:
        return self.ends[-1] if self.drawn else len(self.still)

    def _side_by_side(self) -> list[tuple[Scene, Window]]:
        found = []
        pairs = list(zip(self.scenes, self.sizes, strict=True))
        for scene, size in tqdm(pairs, "cutting", disable=quiet()):
            windows = side_by_side(size, self.config)
            if self.config.model.dont_care:
                windows = [window for window in windows if self._known(scene, window)]
            found += [(scene, window) for window in windows]
        if not found:
            raise FolderError(
                f"no crop of {self.tiles.root} has at most {MOST_IGNORED:.0%} don't care; label "
                f"more of the pictures"
            )
        return found

    def _known(self, scene: Scene, window: Window) -> bool:
        labels = window.cut(self.tiles[scene].planes[..., LABEL])
        return float((labels == IGNORE).mean()) <= MOST_IGNORED

    def __getitem__(self, index: int) -> tuple[Scene, Window]:
        return self.still[index]

    def draw(self, index: int, random: np.random.Generator) -> tuple[Scene, Window]:
        r"""The crop of this number, by the numbers of ``random`` alone."""
        number = int(np.searchsorted(self.ends, index, side="right"))
        scene = self.scenes[number]
        for _ in range(TRIES):
            window = draw_window(self.sizes[number], self.config, random)
            if not self.config.model.dont_care or self._known(scene, window):
                break
        return scene, window
