r"""Canny: the authors' pixels, a loop over pixels, scikit-image beside it; boundaries and F1."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import feature

from ecgan.data import toy
from ecgan.method.edges import (
    AUTHORS,
    GAUSSIAN_5X5,
    TOY,
    Canny,
    canny,
    directions,
    edge_maps,
    f1,
    layout_boundaries,
    stages,
    suppress,
)
from support.golden_weights import GOLDEN

PICTURES = ("blocks", "coffee")


def golden(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    r"""A picture in [-1, 1] and the authors' edges, each a batch of one."""
    arrays = np.load(GOLDEN / "canny.npz")
    image = torch.from_numpy(arrays[f"{name}_image"]).permute(2, 0, 1)[None]
    return image / 127.5 - 1, torch.from_numpy(arrays[f"{name}_edges"])[None]


@pytest.mark.parametrize("name", PICTURES)
def test_the_authors_pixels(name):
    image, edges = golden(name)
    assert 0.01 < edges.float().mean() < 0.5
    assert f1(canny(image), edges) >= 0.99


@pytest.mark.parametrize("name", PICTURES)
def test_scikit_image_agrees_only_so_far(name):
    r"""It hystereses for good and places its ridges between pixels: near, and not the same."""
    image, _ = golden(name)
    found = stages(image)
    picture, largest = found.grey[0].numpy(), found.suppressed.max().item()
    low, high = (share * largest for share in (AUTHORS.low, AUTHORS.high))  # theirs: grey levels
    theirs = feature.canny(picture, sigma=1.4, low_threshold=low, high_threshold=high)
    assert 0.65 < f1(found.edges, torch.from_numpy(theirs)[None]) < 0.95


def naive(image: np.ndarray, *, sigma=None, low=0.075, high=0.175) -> np.ndarray:
    r"""Canny of one picture "h w 3" (0-255), pixel by pixel in float64."""
    grey = np.rint(image @ np.array([0.298936021293775, 0.587043074451121, 0.114020904255103]))
    if sigma is None:
        kernel = np.array(GAUSSIAN_5X5, float)
    else:
        line = [
            math.exp(-(i**2) / (2 * sigma**2))
            for i in range(-round(4 * sigma), round(4 * sigma) + 1)
        ]
        kernel = np.outer(line, line)
    smooth = ndimage.correlate(grey, kernel, mode="constant")
    across = ndimage.correlate(
        smooth, np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]), mode="constant"
    )
    down = ndimage.correlate(
        smooth, np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]), mode="constant"
    )
    magnitude = np.hypot(across, down)
    thin = np.zeros_like(magnitude)
    for y in range(1, grey.shape[0] - 1):
        for x in range(1, grey.shape[1] - 1):
            angle = math.degrees(math.atan2(down[y, x], across[y, x])) % 180
            v, u = {0: (0, 1), 1: (1, 1), 2: (1, 0), 3: (1, -1)}[int((angle + 22.5) // 45) % 4]
            beside = magnitude[y + v, x + u], magnitude[y - v, x - u]
            if magnitude[y, x] >= max(beside):
                thin[y, x] = magnitude[y, x]
    strong = thin >= high * thin.max()
    near = ndimage.binary_dilation(strong, np.ones((3, 3)))
    return (strong | ((thin >= low * thin.max()) & near)) & (thin > 0)


@pytest.mark.parametrize("settings", [AUTHORS, TOY, Canny(sigma=1.5, low=0.02, high=0.3)])
def test_canny_equals_loops(settings):
    image = golden("blocks")[0][:, :, 10:50, 20:70]
    whole = ((image[0] + 1) * 127.5).round().permute(1, 2, 0).double().numpy()
    twin = naive(whole, sigma=settings.sigma, low=settings.low, high=settings.high)
    assert 20 < twin.sum() < twin.size / 2
    assert f1(canny(image, settings=settings), torch.from_numpy(twin)[None]) >= 0.99


def test_each_image_has_its_own_thresholds():
    loud, _ = golden("blocks")
    faint = loud * 0.3
    together = canny(torch.cat([loud, faint]))
    assert torch.equal(together[:1], canny(loud))
    assert torch.equal(together[1:], canny(faint))
    assert together[1].any()


def test_a_flat_image_has_no_edges():
    found = stages(torch.full((2, 3, 20, 30), 0.4))
    assert not found.edges.any()
    assert not canny(torch.full((1, 3, 20, 30), -1.0)).any()


def test_stages_follow_from_each_other():
    image, _ = golden("coffee")
    found = stages(image)
    assert torch.equal(found.grey, found.grey.round())
    assert found.grey.min() >= 0
    assert found.grey.max() <= 255
    kept = found.suppressed > 0
    assert torch.equal(found.suppressed[kept], found.magnitude[kept])
    assert not (found.weak & found.strong).any()
    assert not (found.edges & ~(found.weak | found.strong)).any()
    assert (found.edges & found.weak).any()
    assert (~found.edges & found.weak).any()
    inner = slice(5, -5)
    plain = ndimage.correlate(found.grey[0].numpy(), np.array(GAUSSIAN_5X5) / 159.0)
    assert np.allclose(found.smooth[0].numpy()[inner, inner], plain[inner, inner], atol=1e-3)
    assert not found.edges[:, [0, -1]].any()
    assert not found.edges[:, :, [0, -1]].any()


def test_directions():
    turn = torch.arange(0, 360, 15.0).deg2rad()
    found = directions(torch.cos(turn)[None, None], torch.sin(turn)[None, None])[0, 0]
    nearest = [round(degrees / 45 + 1e-6) % 4 for degrees in range(0, 360, 15)]
    assert found.tolist() == nearest


def test_suppression_thins_a_ridge_and_keeps_a_plateau():
    picture = torch.zeros(1, 5, 7)
    picture[..., 2], picture[..., 3], picture[..., 4] = 1, 3, 1
    along = torch.zeros(1, 5, 7, dtype=torch.long)
    assert suppress(picture, along)[0, 2].tolist() == [0, 0, 0, 3, 0, 0, 0]
    picture[..., 4] = 3
    assert suppress(picture, along)[0, 2].tolist() == [0, 0, 0, 3, 3, 0, 0]
    across = torch.full((1, 5, 7), 2)
    assert torch.equal(suppress(picture, across)[:, 1:-1, 1:-1], picture[:, 1:-1, 1:-1])


def test_diagonal_neighbours_are_the_gradients():
    picture = torch.zeros(1, 5, 5)
    picture[0, 2, 2], picture[0, 3, 3], picture[0, 3, 1] = 2, 3, 1
    for index, survives in ((0, True), (1, False), (2, True), (3, True)):
        kept = suppress(picture, torch.full((1, 5, 5), index))[0, 2, 2] > 0
        assert kept == survives, index


def test_edge_maps_are_the_training_target():
    image, _ = golden("coffee")
    maps = edge_maps(image)
    assert maps.shape == image.shape
    assert maps.unique().tolist() == [-1, 1]
    assert torch.equal(maps[:, 0] == 1, canny(image))
    assert torch.equal(maps[:, 0], maps[:, 1])
    assert torch.equal(maps[:, 0], maps[:, 2])


def test_toy_scenes_have_edges_inside_their_regions():
    scenes = toy.scenes(8, seed=5)
    edges = canny(scenes.images, settings=TOY)
    boundaries = layout_boundaries(scenes.labels)
    near = torch.nn.functional.max_pool2d(boundaries[:, None].float(), 5, stride=1, padding=2)
    inside = edges & (near[:, 0] == 0)
    assert inside.sum() > 0.1 * edges.sum()


def test_layout_boundaries():
    labels = torch.tensor([[[0, 0, 1], [0, 0, 1], [2, 2, 2]]])
    assert layout_boundaries(labels).int().tolist() == [[[0, 1, 0], [1, 1, 1], [0, 0, 0]]]


def test_f1():
    target = torch.tensor([[True, True, False, False]])
    assert f1(target, target) == 1
    assert f1(~target, target) == 0
    assert f1(torch.tensor([[True, False, True, False]]), target) == 0.5
    assert f1(torch.tensor([[True, False, False, False]]), target) == pytest.approx(2 / 3)
    assert f1(torch.zeros_like(target), torch.zeros_like(target)) == 1


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"sigma": 0.0}, ["sigma is 0.0", "positive", "5 x 5"]),
        ({"sigma": -1.0}, ["sigma is -1.0", "positive"]),
        ({"low": 0.3, "high": 0.2}, ["low 0.3", "high 0.2", "0 <= low <= high <= 1"]),
        ({"low": -0.1}, ["low -0.1", "shares"]),
        ({"high": 1.2}, ["high 1.2", "shares"]),
    ],
)
def test_refused_settings(change, facts):
    with pytest.raises(ValueError, match=r"sigma is|are low") as error:
        Canny(**change)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


def test_the_settings():
    assert (AUTHORS.sigma, AUTHORS.low, AUTHORS.high) == (None, 0.075, 0.175)
    assert sum(map(sum, GAUSSIAN_5X5)) == 159
