r"""Figures: opaque white, true colours, pixels that stay sharp, colours for every kind of eye."""

import io
import warnings
from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from ecgan.data import plans, toy
from ecgan.teaching import figures

# What each kind of eye sees of linear RGB: Machado, Oliveira and Fernandes (2009), full severity.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    r"""The book's style, every warning an error, and nothing left behind."""
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("error")
        figures.use_style()
        yield
        plt.close("all")


def rendered(figure: matplotlib.figure.Figure) -> np.ndarray:
    r"""The figure as a notebook shows it: red, green, blue, opacity."""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return np.asarray(Image.open(file).convert("RGBA"))


def lab(colours: np.ndarray, vision: str) -> np.ndarray:
    r"""CIE L*a*b* of RGB colours 0-255, as an eye of that kind sees them."""
    linear = np.where(
        colours <= 10.31475, colours / 3294.6, ((colours / 255 + 0.055) / 1.055) ** 2.4
    )
    seen = np.clip(linear @ np.array(VISION[vision]).T, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    ratio = seen @ to_xyz.T / to_xyz.sum(1)
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def nearest(colours: np.ndarray, vision: str) -> float:
    r"""How far apart the two most similar colours are (CIE76; about 2 is just noticeable)."""
    seen = lab(colours.astype(float), vision)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    return distances[~np.eye(len(colours), dtype=bool)].min()


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_for_every_kind_of_vision(vision: str) -> None:
    assert nearest(toy.PALETTE, vision) > 25
    assert nearest(plans.PALETTE, vision) > 25
    cycle = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in figures.CYCLE])
    assert nearest(cycle, vision) > 12


def test_the_measure_of_colours_tells_good_from_bad() -> None:
    bad = np.array([(172, 88, 72), (40, 130, 60), (120, 110, 60)])  # brick, leaf and mud
    assert nearest(bad, "normal") > 25
    assert nearest(bad, "deuteranopia") < 25


def test_to_rgb_clamps_and_keeps_the_axes_in_order() -> None:
    images = torch.zeros(2, 3, 4, 5)
    images[0, 0], images[0, 1], images[1, 2, 3, 4] = 3.0, -1.5, 0.5
    shown = figures.to_rgb(images)
    assert shown.shape == (2, 4, 5, 3)
    assert np.array_equal(shown[0, 2, 2], [1, 0, 0.5])
    assert shown[1, 3, 4, 2] == 0.75
    assert figures.to_rgb(images[0].requires_grad_().bfloat16()).shape == (4, 5, 3)


def test_layout_rgb_has_the_palettes_colours_and_black_for_dont_care() -> None:
    labels = torch.tensor([[0, 8], [255, 3]])
    for given in (labels, labels.byte(), labels.numpy(), labels.numpy().astype(np.uint8)):
        shown = figures.layout_rgb(given)
        assert shown.dtype == np.uint8
        assert shown.tolist() == [
            [toy.PALETTE[0].tolist(), toy.PALETTE[8].tolist()],
            [[0, 0, 0], toy.PALETTE[3].tolist()],
        ]
    other = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)
    assert figures.layout_rgb(np.array([[1]]), other).tolist() == [[[4, 5, 6]]]


def test_a_strip_is_opaque_white_and_sharp() -> None:
    scene = toy.scenes(1)
    layout = figures.layout_rgb(scene.labels)[0]
    shown = rendered(figures.strip([layout, scene.images[0]], ["layout", "image"]))
    assert (shown[..., 3] == 255).all()
    assert (shown[0, :, :3] == 255).all()
    colours = {tuple(rgb) for rgb in shown[:, : shown.shape[1] // 2, :3].tolist() for rgb in rgb}
    assert {tuple(c) for c in np.unique(layout.reshape(-1, 3), axis=0).tolist()} <= colours
    grey = [c for c in colours if max(c) - min(c) <= 1]  # letters; nothing else may be blended
    assert len(colours) - len(grey) < 12


def test_a_strip_has_the_grid_titles_and_rows_asked_for() -> None:
    images = toy.scenes(5).images
    figure = figures.strip(images, list("abc"), columns=3, rows=["first", "second"])
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "c", "", "", ""]
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == ["first", "second"]
    assert [len(axis.images) for axis in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert figure.get_figwidth() == pytest.approx(figures.WIDTH)
    assert figures.strip(images[:1], scale=0.5).get_figwidth() == pytest.approx(figures.WIDTH / 2)
    assert not plt.get_fignums()  # or a notebook would show each strip twice


def test_a_strip_shows_maps_within_limits() -> None:
    ramp = np.array([[0.25, 0.75]])
    for limits, expected in (((0, 1), (0, 1)), (None, (0.25, 0.75)), ((-1, 1), (-1, 1))):
        assert figures.strip([ramp], limits=limits).axes[0].images[0].get_clim() == expected
    assert figures.strip([torch.tensor([[True, False]])]).axes[0].images[0].get_clim() == (0, 1)


def test_photographs_are_smooth_and_layouts_stay_sharp() -> None:
    pictures = [figures.layout_rgb(toy.scenes(1).labels[0]), toy.scenes(1).images[0]]
    for smooth, expected in ((False, ["nearest", "nearest"]), (True, ["nearest", "lanczos"])):
        axes = figures.strip(pictures, smooth=smooth).axes
        assert [axis.images[0].get_interpolation() for axis in axes] == expected


def test_a_photograph_is_shown_as_a_light_jpeg() -> None:
    noise = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    figure = figures.strip(noise, smooth=True)
    as_png = io.BytesIO()
    figure.savefig(as_png, format="png", dpi=figures.JPEG["dpi"])
    shown = figures.Photograph(figure)._repr_jpeg_()
    assert Image.open(io.BytesIO(shown)).format == "JPEG"
    assert Image.open(io.BytesIO(shown)).size == Image.open(as_png).size
    assert len(shown) < len(as_png.getvalue()) / 2


@pytest.mark.parametrize(
    ("pictures", "options", "says"),
    [
        ([], {}, "0 pictures"),
        ([torch.zeros(4, 4, dtype=torch.long)], {}, r"layout_rgb\(labels\)"),
        ([torch.zeros(2, 4, 4)], {}, r"shape \(2, 4, 4\)"),
        ([torch.zeros(3, 4, 4)] * 4, {"titles": ["a"] * 3}, "3 titles for 4 pictures in 4 columns"),
        ([torch.zeros(3, 4, 4)] * 4, {"columns": 2, "rows": ["a"]}, "1 names for 2 rows"),
    ],
)
def test_errors_of_a_strip(pictures: list, options: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        figures.strip(pictures, **options)


def test_a_legend_names_each_class_beside_its_colour() -> None:
    strip = figures.strip(toy.scenes(2).images)
    before = strip.get_figheight()
    _, axes = plt.subplots()
    for where in (strip, axes):
        made = figures.legend(where, toy.CLASSES)
        assert [text.get_text() for text in made.get_texts()] == list(toy.CLASSES)
        shown = np.array([patch.get_facecolor() for patch in made.get_patches()])
        assert np.allclose(shown[:, :3] * 255, toy.PALETTE)
        assert (shown[:, 3] == 1).all()
        rendered(where if where is strip else axes.figure)
    assert strip.get_figheight() > before  # the pictures keep their size
    with pytest.raises(ValueError, match="9 names but 2 colours"):
        figures.legend(strip, toy.CLASSES, toy.PALETTE[:2])


def test_plots_are_opaque_white() -> None:
    figure, axes = plt.subplots()
    lines = [axes.plot([0, i])[0].get_color() for i in range(len(figures.CYCLE))]
    assert [matplotlib.colors.to_hex(line).upper() for line in lines] == list(figures.CYCLE)
    shown = rendered(figure)
    assert (shown[..., 3] == 255).all()
    assert (shown[0, :, :3] == 255).all()
