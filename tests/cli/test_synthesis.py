r"""From a layout, in memory or in a file, to a picture in a file."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from ecgan import Generator, ModelConfig
from ecgan.cli.synthesize import synthesize_files
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.layouts import read_layout as read_file
from ecgan.data.folders.numbering import PLAIN
from ecgan.method.layouts import LayoutError
from ecgan.synthesis import (
    all_pictures,
    save_png,
    starts,
    synthesize,
    synthesize_in_windows,
    to_bytes,
)
from ecgan.weights.checkpoint import save
from support.networks import awake

CONFIG = ModelConfig(classes=4, height=32, width=64, base_channels=2, spade_hidden=3)


@pytest.fixture
def generator() -> Generator:
    return awake(Generator(CONFIG))


def test_one_layout_or_a_batch(generator):
    labels = torch.randint(4, (2, 32, 64))
    both, one = synthesize(generator, labels), synthesize(generator, labels[1])
    assert both.final.shape == (2, 3, 32, 64)
    assert one.final.shape == (1, 3, 32, 64)
    torch.testing.assert_close(one.final, both.final[1:], rtol=0, atol=1e-5)


def test_with_instances():
    config = ModelConfig(
        classes=4, instance_boundaries=True, height=32, width=64, base_channels=2, spade_hidden=3
    )
    generator = awake(Generator(config))
    labels, instances = torch.zeros(32, 64, dtype=torch.long), torch.randint(2, (32, 64))
    made = synthesize(generator, labels, instances)
    assert made.final.shape == (1, 3, 32, 64)
    assert not torch.equal(made.final, synthesize(generator, labels, labels).final)
    with pytest.raises(LayoutError, match="pass instances"):
        synthesize(generator, labels)


@pytest.mark.parametrize("training", [True, False])
def test_the_generator_is_left_as_it_was(generator, training):
    generator.train(training)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    made = synthesize(generator, torch.zeros(32, 64, dtype=torch.long))
    assert generator.training == training
    assert all(torch.equal(value, before[n]) for n, value in generator.state_dict().items())
    assert not made.final.requires_grad
    made.final.clone().requires_grad_().sum().backward()  # and may enter another loss


def test_a_bad_layout_is_named_before_any_computation(generator):
    with pytest.raises(LayoutError, match=r"label 4 in the layout.*4 classes"):
        synthesize(generator, torch.full((32, 64), 4))
    with pytest.raises(LayoutError, match="30 x 64 pixels"):
        synthesize(generator, torch.zeros(30, 64, dtype=torch.long))


def read_layout(path, *, height: int, width: int) -> torch.Tensor:
    r"""The ids of a file at that size, as a model of 255 classes takes them."""
    model = ModelConfig(classes=255)
    return read_file(path, numbering=PLAIN, model=model, size=(height, width)).labels


def ids(height: int = 4, width: int = 6) -> np.ndarray:
    return (np.arange(height * width) % 5).reshape(height, width).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_label_files(tmp_path, mode):
    path = tmp_path / "layout.png"
    if mode == "P":
        image = Image.fromarray(ids())
        image.putpalette([255 - i for i in range(256) for _ in range(3)])
    elif mode == "L":
        image = Image.fromarray(ids())
    else:
        image = Image.fromarray(ids().astype(np.uint16))
    image.save(path)
    found = read_layout(path, height=4, width=6)
    assert found.dtype == torch.int64
    assert found.tolist() == [ids().tolist()]


def test_a_bilevel_file_holds_two_classes(tmp_path):
    Image.fromarray(ids() > 2).save(tmp_path / "layout.png")
    found = read_layout(tmp_path / "layout.png", height=4, width=6)
    assert found.tolist() == [(ids() > 2).astype(int).tolist()]


def test_files_are_resized_without_new_ids(tmp_path):
    path = tmp_path / "layout.png"
    Image.fromarray(
        np.kron(np.array([[0, 200], [3, 1]], np.uint8), np.ones((8, 8), np.uint8))
    ).save(path)
    found = read_layout(path, height=4, width=4)
    assert found[0].tolist() == [[0, 0, 200, 200]] * 2 + [[3, 3, 1, 1]] * 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_colour_file_is_named(tmp_path, mode):
    path = tmp_path / "street.png"
    Image.new(mode, (6, 4), {"LA": (7, 255)}.get(mode, "red")).save(path)
    with pytest.raises(FolderError) as error:
        read_layout(path, height=4, width=6)
    for fact in (str(path), f"mode {mode}", "getchannel" if mode == "LA" else "from_colors"):
        assert fact in str(error.value)


def test_a_broken_or_missing_file_is_named(tmp_path):
    broken = tmp_path / "broken.png"
    Image.fromarray(np.random.default_rng(0).integers(9, size=(99, 99), dtype=np.uint8)).save(
        broken
    )
    broken.write_bytes(broken.read_bytes()[:900])
    text = tmp_path / "text.png"
    text.write_text("no picture")
    for path in (broken, text, tmp_path / "nowhere.png"):
        with pytest.raises(FolderError, match=r"damaged|not an image|is not there") as error:
            read_layout(path, height=4, width=6)
        assert str(path) in str(error.value)


def test_pictures_become_bytes_and_files(tmp_path):
    picture = torch.tensor([-1.0, 0.0, 1.0, 1.7, -3.0, 0.5])
    picture = torch.stack([picture, -picture, 0 * picture])[:, None]
    levels = to_bytes(picture)
    assert levels.shape == (1, 6, 3)
    assert levels[0, :, 0].tolist() == [0, 128, 255, 255, 0, 191]
    path = tmp_path / "new folder" / "picture.png"
    save_png(path, picture)
    assert np.array_equal(np.array(Image.open(path)), levels)


@pytest.mark.parametrize(("whole", "side"), [(32, 32), (64, 32), (33, 32), (100, 32), (256, 128)])
def test_windows_cover_a_side_and_overlap(whole, side):
    places = starts(whole, side)
    assert places[0] == 0
    assert places[-1] == whole - side
    assert all(0 < b - a <= side - side // 2 for a, b in itertools.pairwise(places))


def test_what_is_no_larger_is_painted_at_once(generator):
    labels = torch.randint(4, (32, 64))
    at_once, windows = (paint(generator, labels) for paint in (all_pictures, synthesize_in_windows))
    assert list(windows) == ["edge", "first", "final"]
    assert all(torch.equal(windows[name], at_once[name]) for name in at_once)


def test_a_window_is_what_the_network_paints_of_it_alone(generator):
    r"""At a corner no other window reaches, and in a picture of one window more it is a mixture."""
    labels = torch.randint(4, (64, 64))
    whole = synthesize_in_windows(generator, labels)["final"]
    parts = [all_pictures(generator, labels[top : top + 32])["final"] for top in (0, 16, 32)]
    torch.testing.assert_close(whole[:, :16], parts[0][:, :16])
    torch.testing.assert_close(whole[:, -16:], parts[2][:, -16:])
    mixed = whole[:, 16:32]
    low = torch.minimum(parts[0][:, 16:], parts[1][:, :16])
    high = torch.maximum(parts[0][:, 16:], parts[1][:, :16])
    assert (mixed >= low - 1e-5).all()
    assert (mixed <= high + 1e-5).all()


def test_windows_with_instances():
    config = ModelConfig(
        classes=4, instance_boundaries=True, height=32, width=32, base_channels=2, spade_hidden=3
    )
    generator = awake(Generator(config))
    labels, instances = torch.zeros(64, 32, dtype=torch.long), torch.randint(2, (64, 32))
    with_them = synthesize_in_windows(generator, labels, instances)["final"]
    assert not torch.equal(with_them, synthesize_in_windows(generator, labels, labels)["final"])


@pytest.mark.parametrize(("scale", "side"), [((1.0, 1.0), 192), (None, 128)])
def test_who_learned_from_crops_paints_a_large_file_at_its_size(tmp_path, scale, side):
    tiny = Generator(ModelConfig(classes=4, height=32, width=32, base_channels=2, spade_hidden=3))
    model = tmp_path / "tiny.safetensors"
    save(model, tiny, notes={"config": {"data": {"scale": scale}}})
    ids = np.random.default_rng(0).integers(0, 4, (192, 192)).astype(np.uint8)
    Image.fromarray(ids).save(tmp_path / "large.png")
    synthesize_files([tmp_path / "large.png"], tmp_path / "out", model=str(model))
    assert Image.open(tmp_path / "out" / "large_final.png").size == (side, side)
