r"""The toy world: the same on every machine, exact labels, the shares that the book speaks of."""

import hashlib
import json

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image

from ecgan.data import toy

# Of the scenes below, drawn on x86-64 with NumPy 2; other machines must draw the very same ones.
HASHES = {
    (16, 64, 64, 0): "2ea06446eaaa523a05807ffbb0a78ac3919e447d5060fdc7dd3eaa7f9d048132",
    (4, 128, 96, 5): "0652598bca5649027680e176005a33ba6ed58e2f8e838b5bb8fdeabb85df8f68",
}


def bytes_of(images: torch.Tensor) -> np.ndarray:
    r"""Images in [-1, 1] as the whole numbers they came from."""
    pixels = (images.double() + 1) * 127.5
    assert torch.allclose(pixels, pixels.round(), atol=1e-4)
    return rearrange(pixels.round(), "b c h w -> b h w c").numpy().astype(np.uint8)


@pytest.fixture(scope="module")
def many() -> toy.Scenes:
    return toy.scenes(600, seed=7)


@pytest.mark.parametrize("case", HASHES)
def test_scenes_are_the_same_on_every_machine(case: tuple[int, int, int, int]) -> None:
    count, height, width, seed = case
    labels, images, instances = toy.scenes(count, height=height, width=width, seed=seed)
    digest = hashlib.sha256(bytes_of(images).tobytes())
    digest.update(labels.numpy().astype("<i8").tobytes())
    digest.update(instances.numpy().astype("<i8").tobytes())
    assert digest.hexdigest() == HASHES[case]


def test_a_scene_depends_on_its_seed_and_number_only() -> None:
    nine = toy.scenes(9, seed=3)
    for other, part in (
        (toy.scenes(5, seed=3), slice(5)),
        (toy.scenes(4, seed=3, start=5), np.s_[5:]),
    ):
        for a, b in zip(other, nine):
            assert torch.equal(a, b[part])
    assert not torch.equal(nine.labels, toy.scenes(9, seed=4).labels)
    assert len({image.numpy().tobytes() for image in nine.images}) == 9


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (64, 64), (46, 34), (64, 128), (256, 128), (128, 32), (32, 384)]
)
def test_sizes_types_and_ranges(height: int, width: int) -> None:
    labels, images, instances = toy.scenes(6, height=height, width=width)
    assert labels.shape == instances.shape == (6, height, width)
    assert images.shape == (6, 3, height, width)
    assert labels.dtype == instances.dtype == torch.int64
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert images.min() >= -1
    assert images.max() <= 1
    assert set(labels.unique().tolist()) <= set(range(len(toy.CLASSES)))


def test_shares_of_the_classes(many: toy.Scenes) -> None:
    shares = {
        name: (many.labels == label).double().mean().item() * 100
        for label, name in enumerate(toy.CLASSES)
    }
    expected = {
        "sky": (29, 3),
        "road": (28, 2),
        "building": (21, 2),
        "pavement": (9, 1),
        "tree": (4.6, 0.6),
        "roof": (4.2, 0.8),
        "car": (3.1, 0.4),
        "lamp": (0.9, 0.15),
        "person": (0.57, 0.1),
    }
    assert shares.keys() == expected.keys()
    for name, (share, tolerance) in expected.items():
        assert shares[name] == pytest.approx(share, abs=tolerance), name


def test_most_scenes_hold_most_classes(many: toy.Scenes) -> None:
    holds = torch.stack([(many.labels == k).any(2).any(1) for k in range(len(toy.CLASSES))])
    often = dict(zip(toy.CLASSES, holds.double().mean(1).tolist()))
    assert all(often[name] == 1 for name in ("sky", "road", "building", "pavement", "roof"))
    assert all(often[name] > 0.7 for name in ("tree", "car", *toy.TINY))
    assert all(often[name] < 1 for name in ("tree", "car", *toy.TINY))
    assert holds.sum(0).double().mean() > 8


def test_lamps_and_people_are_two_to_four_pixels_wide(many: toy.Scenes) -> None:
    for name in toy.TINY:
        label = toy.CLASSES.index(name)
        for scene in range(100):
            for one in many.instances[scene][many.labels[scene] == label].unique().tolist():
                columns = (many.instances[scene] == one).any(0).nonzero()
                assert columns.max() - columns.min() < 4


def test_instances_agree_with_labels(many: toy.Scenes) -> None:
    things = {toy.CLASSES.index(name) for name in ("building", "tree", "car", "lamp", "person")}
    for labels, instances in zip(many.labels[:100], many.instances[:100]):
        pairs = torch.unique(torch.stack([instances.flatten(), labels.flatten()]), dim=1)
        of = [(one, label) for one, label in pairs.T.tolist() if one]
        assert {label for one, label in pairs.T.tolist() if not one}.isdisjoint(things)
        assert {label for _, label in of} <= things
        assert len({one for one, _ in of}) == len(of)  # one class for each instance
        assert [label for _, label in sorted(of)] == sorted(label for _, label in of)


def test_layouts_do_not_give_away_light_nor_colours(many: toy.Scenes) -> None:
    r"""The same class has other colours in other scenes, but structure within each."""
    images = bytes_of(many.images[:50])
    cars = {tuple(rgb) for rgb in images[many.labels[:50].numpy() == toy.CLASSES.index("car")]}
    assert len(cars) > 50
    sky = many.labels[:50, 0, 0].numpy() == toy.CLASSES.index("sky")
    assert len({tuple(image[0, 0]) for image in images[sky]}) > 25
    building = many.labels.numpy()[0] == toy.CLASSES.index("building")
    assert len({tuple(rgb) for rgb in images[0][building]}) > 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"count": 0}, "count is 0; it must be at least 1. Try count=1."),
        ({"count": 1, "height": 63}, "height is 63; .* even number of at least 32. Try height=64."),
        ({"count": 1, "width": 30}, "width is 30; .* Try width=32."),
        ({"count": 1, "seed": -1}, "seed is -1; it must be at least 0"),
        ({"count": 1, "start": -2}, "start is -2; it must be at least 0"),
    ],
)
def test_errors_say_what_to_do(arguments: dict[str, int], says: str, tmp_path) -> None:
    with pytest.raises(ValueError, match=says):
        toy.scenes(**arguments)
    if "start" not in arguments:
        with pytest.raises(ValueError, match=says):
            toy.write_folder(tmp_path / "street", **arguments)
        assert not (tmp_path / "street").exists()


def test_a_folder_holds_the_very_scenes(tmp_path) -> None:
    folder = toy.write_folder(tmp_path / "street", 3, height=48, width=64, seed=2)
    labels, images, instances = toy.scenes(3, height=48, width=64, seed=2)
    assert sorted(file.name for file in folder.iterdir()) == [
        "classes.json",
        "images",
        "instances",
        "labels",
    ]
    for i in range(3):
        image, label, instance = (
            Image.open(folder / name / f"{i:05d}.png") for name in ("images", "labels", "instances")
        )
        assert (image.mode, label.mode, instance.mode) == ("RGB", "L", "L")
        assert np.array_equal(np.asarray(image), bytes_of(images)[i])
        assert np.array_equal(np.asarray(label), labels[i])
        assert np.array_equal(np.asarray(instance), instances[i])
    classes = json.loads((folder / "classes.json").read_text())
    assert classes == {"classes": list(toy.CLASSES), "palette": toy.PALETTE.tolist()}

    toy.write_folder(folder, 3, height=48, width=64, seed=2)  # the same again does no harm
    with pytest.raises(ValueError, match=r"00002\.png, which is not among the 2 scenes"):
        toy.write_folder(folder, 2)
