r"""Checkers of the chapter on photographs."""

import torch
from einops import reduce

from ecgan.config import Config
from ecgan.data import plans
from ecgan.data.folders.geometry import side_by_side
from ecgan.evaluation.inside_edges import inside as deep_inside
from ecgan.presets import preset
from ecgan.teaching.exercises import NotYet, exercise, expect_close

SIZES = ((1480, 2149), (544, 509), (128, 128), (127, 400))
ROWS = (
    {"painter": "final", "protocol": {"name": "kd-lite"}, "metric": "kd-lite", "value": 0.9},
    {"painter": "final", "protocol": {"name": "fd-lite"}, "metric": "fd-lite", "value": 60.0},
    {"painter": "training", "protocol": {"name": "kd-lite"}, "metric": "kd-lite", "value": 0.1},
    {"painter": "training", "protocol": {"name": "fd-lite"}, "metric": "fd-lite", "value": 24.0},
    {"painter": "flat", "protocol": {"name": "fd-lite"}, "metric": "fd-lite", "value": 240.0},
    {"painter": "flat", "protocol": {"name": "miou-native"}, "metric": "miou", "value": 0.5},
    {"painter": "real", "protocol": {"name": "miou-native"}, "metric": "miou", "value": 0.6},
)


@exercise("photographs.crops")
def crops(answer):
    config: Config = preset("aerial")
    for height, width in SIZES:
        met, wanted = answer(height, width), len(side_by_side((height, width), config))
        hint = "Whole crops only: what is left over at the right and at the bottom is not used."
        if met == height * width // 128**2 != wanted:
            hint = "That many fit by area. But a crop cannot be bent around the edge of a picture."
        expect_close(met, wanted, hint, what=f"your number for {width} x {height} pixels")
    return "a large photograph is hundreds of pictures, and not one of them is the whole."


def _deep(labels, number, distance):
    return (labels == number) & deep_inside(labels, margin=distance)


@exercise("photographs.inside")
def inside(answer):
    labels = torch.from_numpy(plans.plans(4, height=64, width=64, seed=12)).long()
    lines = torch.rand(labels.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    lines |= labels != labels.roll(1, dims=2)
    for number, distance in ((plans.BUILDING, 3), (plans.LAND, 5)):
        deep = _deep(labels, number, distance)
        met = answer(lines, labels, number, distance)
        hint = "Of the pixels deep inside the class, the share that are lines."
        for wrong, said in (
            (lines[labels == number].float().mean(), "You count pixels beside the boundary too."),
            (deep[lines].float().mean(), "That is the share of the lines, not of the pixels."),
            ((lines & deep).float().mean(), "You divide by all the pixels of the layouts."),
            (lines[_deep(labels, number, distance - 1)].float().mean(), "One pixel too near."),
        ):
            if torch.is_tensor(met) and met.ndim == 0 and torch.isclose(met, wrong, atol=1e-5):
                hint = f"{said} {hint}"
        wanted = lines[deep].float().mean()
        expect_close(met, wanted, hint, what=f"your share, {distance} pixels deep")
    return "the layout says nothing there: each of these lines is the network's own."


@exercise("photographs.mean_only")
def mean_only(answer):
    maps = 3 * torch.randn(2, 4, 9, 7, generator=torch.Generator().manual_seed(0))
    met = answer(maps)
    level = reduce(torch.sigmoid(maps), "b c h w -> b c 1 1", "mean")
    wanted = torch.logit(level) + torch.zeros_like(maps)
    hint = "Every channel of every layout is one number: the one whose sigmoid is the mean gain."
    if getattr(met, "shape", None) == (2, 4, 1, 1):
        raise NotYet("it has one pixel a channel; the branch wants maps of the shape they had.")
    for wrong, said in (
        (
            reduce(maps, "b c h w -> b c 1 1", "mean"),
            "The sigmoid of a mean is not the mean of the sigmoid: first the sigmoid, then the "
            "mean, then back.",
        ),
        (
            level,
            "That is the attention itself; the transfer takes the sigmoid of what it is given.",
        ),
        (torch.zeros(1), "A zero is a gain of one and a half, whatever the gain was."),
        (
            torch.logit(reduce(torch.sigmoid(maps), "b c h w -> b 1 1 1", "mean")),
            "Each channel has a mean of its own.",
        ),
    ):
        expected = wrong + torch.zeros_like(maps)
        if getattr(met, "shape", None) == maps.shape and torch.allclose(met, expected, atol=1e-5):
            hint = said
    expect_close(met, wanted, hint, what="the maps without their pattern")
    return "the pattern is gone and the mean is kept: what changes now, the pattern had made."


@exercise("photographs.floor")
def floor(answer):
    for painter, wanted in (("final", 2.5), ("flat", 10.0), ("training", 1.0)):
        met = answer(list(ROWS), painter)
        hint = 'Its fd-lite, divided by the fd-lite of the painter "training".'
        if painter == "final" and isinstance(met, float):
            if abs(met - 9) < 1e-6:
                hint = f"That is kd-lite: look at the protocol's name too. {hint}"
            elif abs(met - 0.4) < 1e-6:
                hint = f"Upside down. {hint}"
            elif abs(met - 0.25) < 1e-6:
                hint = f"You divide by the flat pictures. {hint}"
        expect_close(met, wanted, hint, what=f'your number for "{painter}"')
    return "a distance alone says nothing; held against its floor it begins to speak."
