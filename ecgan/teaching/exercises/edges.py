r"""Checkers of the chapter on edges."""

import torch
from einops import rearrange

from ecgan.data import toy
from ecgan.method.edges import TOY, Canny, canny, suppress
from ecgan.teaching.exercises import NotYet, exercise, expect_close

RIDGE = (0, 2, 7, 7, 4, 6, 3, 0)
WANTED_DENSITY = 0.10
BLINDING_PIXELS, BLINDED_EDGES = 64, 50


@exercise("edges.ridge")
def ridge(kept):
    try:
        columns = sorted(int(column) for column in kept)
    except (TypeError, ValueError):
        raise NotYet("hand in a list of columns, such as [1, 4].") from None
    if 0 in columns or len(RIDGE) - 1 in columns:
        raise NotYet("the outermost pixels are never edges: they have no neighbour on one side.")
    if columns == [2, 5] or columns == [3, 5]:
        raise NotYet(
            "two equal neighbours, 7 and 7: does either of them exceed the other? "
            "The rule drops a pixel only if a neighbour is larger."
        )
    if 5 not in columns:
        raise NotYet(
            "you miss a ridge. It need not be the highest of the row: compare each value with its "
            "two neighbours only."
        )
    for column in columns:
        if not 0 < column < len(RIDGE) - 1 or RIDGE[column] < max(
            RIDGE[column - 1], RIDGE[column + 1]
        ):
            raise NotYet(f"column {column} has a larger neighbour. Columns are counted from 0.")
    if columns != [2, 3, 5]:
        raise NotYet("a column is missing. Which values have no larger neighbour?")
    return "a ridge is local. A small one survives beside a big one, if there is a dip between."


@exercise("edges.thin")
def thin(answer):
    across = torch.tensor([[0.0, 3, 8, 3, 0]] * 5)
    down = rearrange(across, "h w -> w h")
    for name, picture, index in (("vertical", across, 0), ("horizontal", down, 2)):
        batch = rearrange(picture, "h w -> 1 h w")
        direction = torch.full(batch.shape, index)
        expect_close(
            answer(batch, direction),
            suppress(batch, direction),
            f"This is a {name} ridge: magnitudes 0 3 8 3 0 across it, direction index {index}. "
            f"The neighbours to compare with lie along the gradient, that is across the ridge, "
            f"and the outermost pixels are never edges.",
            what=f"a {name} ridge after your thinning",
        )
    plateau = torch.tensor([[[0.0, 5, 5, 0, 0]] * 5])
    flat = torch.zeros_like(plateau, dtype=torch.long)
    expect_close(
        answer(plateau, flat),
        suppress(plateau, flat),
        "Here two equal magnitudes lie side by side. Drop a pixel only if a neighbour is larger: "
        "use >=, not >.",
        what="a plateau after your thinning",
    )
    row, column = torch.meshgrid(torch.arange(7), torch.arange(7), indexing="ij")
    for name, distance, index in (
        ("45", row + column - 6, 1),
        ("135", row - column, 3),
    ):
        diagonal = rearrange((4.0 - distance.abs()).clamp(min=0), "h w -> 1 h w")
        direction = torch.full(diagonal.shape, index)
        expect_close(
            answer(diagonal, direction),
            suppress(diagonal, direction),
            f"Direction {name} degrees: rows count downwards, so 45 degrees points to the lower "
            f"right, offset (1, 1), and 135 degrees to the lower left, offset (1, -1).",
            what=f"a diagonal ridge with direction index {index} after your thinning",
        )
    random = torch.rand(2, 9, 12, generator=torch.Generator().manual_seed(0))
    direction = (random * 1000).long() % 4
    expect_close(
        answer(random, direction),
        suppress(random, direction),
        "The small ridges are right. Do you treat every image of the batch, every direction, "
        "and keep the magnitude itself rather than a 1?",
        what="two random pictures after your thinning",
    )
    return "only ridges are left. Canny's thin lines come from this step alone."


@exercise("edges.density")
def density(answer, high):
    images = toy.scenes(12, seed=5).images

    def share(pictures, level):
        settings = Canny(sigma=TOY.sigma, low=3 / 7 * level, high=level)
        return canny(pictures, settings=settings).float().mean().item()

    for level in (0.2, 0.6):
        expect_close(
            answer(images, level),
            share(images, level),
            "It is the mean of canny(images, settings=...), with sigma 0.8, this high, "
            "and low = 3/7 of high.",
            what=f"your density at high = {level}",
            tolerance=1e-3,
        )
    if high is None or high is ...:
        raise NotYet("`density` is right. Now choose `high`.")
    if not 0 <= high <= 1:
        raise NotYet(f"high is {high}; it is a share of the largest magnitude, 0 to 1.")
    met = share(toy.scenes(50, seed=1).images, high)
    if abs(met - WANTED_DENSITY) > 0.005:
        which = "higher" if met > WANTED_DENSITY else "lower"
        raise NotYet(
            f"at high = {high} the share of edge pixels is {met:.3f}, and {WANTED_DENSITY:.3f} is "
            f"wanted. A {which} threshold? Halving the interval again and again finds it."
        )
    return "few edges or many: the threshold decides, and with it what the network is taught."


@exercise("edges.blinding")
def blinding(before, after):
    if getattr(after, "shape", None) != before.shape:
        raise NotYet(
            f"hand in the changed picture, with shape {tuple(before.shape)} as the one before."
        )
    if after.min() < -1 or after.max() > 1:
        raise NotYet("values must stay in [-1, 1]: black is -1 and white is 1.")
    changed = (before != after).any(dim=1)
    if not changed.any():
        raise NotYet("nothing has changed. Copy the picture with .clone(), then paint into it.")
    if changed.sum() > BLINDING_PIXELS:
        raise NotYet(f"you changed {changed.sum().item()} pixels; {BLINDING_PIXELS} are allowed.")
    near = torch.nn.functional.max_pool2d(changed.float(), 9, stride=1, padding=4).bool()
    lost = (canny(before) & ~near).sum().item() - (canny(after) & ~near).sum().item()
    if lost < BLINDED_EDGES:
        raise NotYet(
            f"{max(lost, 0)} edge pixels vanished farther than 4 pixels from your change, and "
            f"{BLINDED_EDGES} are wanted. The thresholds are shares of the largest magnitude in "
            f"the picture: what would make that larger?"
        )
    return (
        f"{lost} edge pixels vanished far from your paint. The authors' thresholds are relative, "
        f"so every edge depends on the strongest one."
    )
