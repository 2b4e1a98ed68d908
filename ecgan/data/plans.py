r"""Plans of cities from above: layouts without photographs, to paint and to start from.

Streets, quarters, parks and a coast, drawn by a seed, in the classes of the aerial photographs and
at their scale: a pixel is a pixel of those, so that streets are as wide as theirs.
"""

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import gaussian_filter

from ecgan.config import Number

CLASSES = ("building", "land", "road", "vegetation", "water")
BUILDING, LAND, ROAD, VEGETATION, WATER = range(5)
# Buildings, roads and plants as in the toy world; told apart by every kind of colour vision.
PALETTE = np.array(
    [(236, 152, 90), (244, 234, 206), (72, 72, 90), (46, 133, 98), (110, 190, 235)], dtype=np.uint8
)
STREETS, LANES = (6.0, 14.0), (5.0, 8.0)  # widths in pixels, from and to
BLOCKS, LOTS = (90.0, 260.0), (40.0, 110.0)  # distances of streets, and of lanes between houses
QUARTERS = {"houses": 0.34, "park": 0.16, "ground": 0.5}  # shares of the blocks
COAST, RIVER = 0.3, 0.12  # how often a plan has one


def _smooth(random: np.random.Generator, shape: tuple[int, int], width: Number) -> np.ndarray:
    r"""Noise without features smaller than ``width`` pixels, mean 0 and deviation 1."""
    noise = gaussian_filter(random.standard_normal(shape), width, mode="reflect")
    return (noise - noise.mean()) / max(noise.std(), 1e-9)


def _cuts(
    random: np.random.Generator, places: Float[np.ndarray, "h w"], gaps: tuple[float, float]
) -> tuple[Int[np.ndarray, "h w"], Float[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    r"""Lines at random distances: between which each place lies, how far from and which nearest."""
    low, high = places.min() - gaps[1], places.max() + gaps[1]
    steps = random.uniform(*gaps, size=int((high - low) / gaps[0]) + 2)
    lines = low - random.uniform(0, gaps[1]) + np.cumsum(steps)
    after = np.searchsorted(lines, places).clip(1, len(lines) - 1)
    before_gap, after_gap = places - lines[after - 1], lines[after] - places
    nearest = np.where(before_gap < after_gap, after - 1, after)
    return after, np.minimum(np.abs(before_gap), np.abs(after_gap)), nearest


def _water(random: np.random.Generator, shape: tuple[int, int], across: np.ndarray) -> np.ndarray:
    r"""Where the sea or a creek is; ``across`` are pixels along some direction."""
    bend = across + _smooth(random, shape, 0.12 * max(shape)) * 0.08 * max(shape)
    kind, low, high = random.random(), *np.quantile(bend, (0.25, 0.75))
    shore = random.uniform(low, high)
    if kind < COAST:
        return bend > shore
    if kind < COAST + RIVER:
        return np.abs(bend - shore) < random.uniform(14, 40)
    return np.zeros(shape, bool)


def plan(height: int, width: int, *, seed: int) -> UInt8[np.ndarray, "h w"]:
    r"""Class ids of a city plan, 0 to 4; the same for the same size and seed."""
    if height < 1 or width < 1:
        raise ValueError(f"a plan of {width} x {height} pixels: sizes must be 1 or more")
    random, shape = np.random.default_rng(seed), (height, width)
    rows, columns = np.mgrid[:height, :width].astype(float)
    turn = random.uniform(0, np.pi)
    along = np.cos(turn) * columns + np.sin(turn) * rows
    across = np.cos(turn) * rows - np.sin(turn) * columns
    bend = random.uniform(0, 50) if random.random() < 0.6 else 0.0  # old towns and new ones
    along = along + bend * _smooth(random, shape, 80)
    across = across + bend * _smooth(random, shape, 80)
    ids = np.full(shape, LAND, np.uint8)
    # Blocks between streets, each a quarter of one kind.
    column, near_column, which_column = _cuts(random, along, BLOCKS)
    row, near_row, which_row = _cuts(random, across, BLOCKS)
    kinds = random.choice(3, size=(row.max() + 2, column.max() + 2), p=list(QUARTERS.values()))
    kind = kinds[row, column]
    # Houses stand on lots, with lanes and open ground between them.
    lot_column, near_lane, _ = _cuts(random, along, LOTS)
    lot_row, near_alley, _ = _cuts(random, across, LOTS)
    built = random.random((lot_row.max() + 2, lot_column.max() + 2)) < 0.9
    yard = np.minimum(near_lane, near_alley)
    ids[(kind == 0) & built[lot_row, lot_column]] = BUILDING
    alley = random.uniform(*LANES) / 2 if random.random() < 0.6 else 0.0
    lanes = (kind == 0) & (near_alley < alley)
    ids[(kind == 0) & (yard < 2.5) & ~lanes] = LAND
    green = _smooth(random, shape, 9)
    ids[(kind == 1) & (green > -0.8)] = VEGETATION
    ids[(kind == 2) & (green > 2.0)] = VEGETATION
    ids[lanes] = ROAD
    widths = random.uniform(*STREETS, size=(2, max(which_row.max(), which_column.max()) + 1))
    dropped = random.random(widths.shape) < 0.3  # not every block has a street on each side
    widths = np.where(dropped, 0, widths)
    beside = np.minimum(
        near_column - widths[0][which_column] / 2, near_row - widths[1][which_row] / 2
    )
    verge = (beside < 4) & (ids == BUILDING)
    ids[verge] = LAND
    street = (near_column < widths[0][which_column] / 2) | (near_row < widths[1][which_row] / 2)
    ids[street] = ROAD
    sea = _water(random, shape, along if random.random() < 0.5 else across)
    beach = gaussian_filter(sea.astype(float), random.uniform(4, 12)) > 0.05
    ids[beach & (ids != ROAD)] = LAND
    bridges = random.random() < 0.15
    ids[sea & ((ids != ROAD) | ~street | (not bridges))] = WATER
    return ids


def plans(count: int, *, height: int, width: int, seed: int) -> UInt8[np.ndarray, "n h w"]:
    r"""Several plans, the first with seed ``seed``."""
    return np.stack([plan(height, width, seed=seed + number) for number in range(count)])
