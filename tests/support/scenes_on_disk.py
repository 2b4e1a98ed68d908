r"""Small folders in the layouts of the data sets, made while the tests run."""

from pathlib import Path

import numpy as np
from PIL import Image

from ecgan.data.folders.conventions import CONVENTIONS

SIZE = (48, 40)  # height, width


def photo(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    r"""A picture with soft slopes, one hard-edged rectangle and a little grain."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    dice = np.random.default_rng(seed)
    slopes = np.stack([rows * 3 + seed, columns * 2, rows + columns], -1) % 200
    top, left = dice.integers(2, 20, 2)
    slopes[top : top + 15, left : left + 12] = dice.integers(0, 256, 3)
    return (slopes + dice.integers(0, 5, slopes.shape)).clip(0, 255).astype(np.uint8)


def save(array: np.ndarray, path: Path) -> Path:
    r"""Write pixels, making folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def blocks(values: list[int], size: tuple[int, int] = SIZE, kind=np.uint8) -> np.ndarray:
    r"""A label map of vertical bars, a bar a value."""
    columns = np.arange(size[1]) * len(values) // size[1]
    return np.broadcast_to(np.array(values, dtype=kind)[columns], size).copy()


def write(
    root: Path,
    name: str,
    values: list[int],
    *,
    keys: tuple[str, ...] = ("a", "b", "c"),
    split: str = "train",
    instances: list[int] | None = None,
    size: tuple[int, int] = SIZE,
    kind=np.uint8,
) -> Path:
    r"""A folder in the layout ``name`` whose label files hold the bars ``values``."""
    convention = CONVENTIONS[name]
    word = convention.folder_of(split)
    for number, key in enumerate(keys):
        arrays = {"images": photo(number, size), "labels": blocks(values, size)}
        if instances is not None:
            arrays["instances"] = blocks(instances, size, kind)
        for part, array in arrays.items():
            files = getattr(convention, part)
            folder = root / files.folder.format(split=word)
            save(array, folder / f"{key}{files.ending}{files.suffixes[0]}")
    return root
