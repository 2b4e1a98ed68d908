r"""Pictures larger than the model: crops at native pixels, from files that are decoded once."""

import os
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from ecgan.config import Config, ConfigError, DataConfig, ModelConfig, TrainingConfig
from ecgan.data.doctor.examine import examine
from ecgan.data.examples import folder_examples
from ecgan.data.folders import dataset as datasets
from ecgan.data.folders import tiles
from ecgan.data.folders.batches import assemble, folder_batches, write_edges
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.crops import MOST_IGNORED
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.folders.geometry import draw_window, side_by_side
from ecgan.data.folders.photographs import read_picture, to_unit
from ecgan.data.source import Source
from ecgan.method.edges import canny, edge_maps
from ecgan.method.layouts import IGNORE
from ecgan.training.machine import Machine
from support.scenes_on_disk import blocks, photo, save, write

LARGE = (100, 140)


def cutting(scale=(1.0, 1.0), *, dont_care: bool = False, **data) -> Config:
    r"""Crops of 32 x 32 of four classes."""
    return Config(
        model=ModelConfig(classes=4, height=32, width=32, base_channels=2, dont_care=dont_care),
        data=DataConfig(name="own", flip=False, scale=scale, **data),
        training=TrainingConfig(batch_size=2),
    )


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, "folder", [0, 1, 2, 3], keys=("a", "b"), size=LARGE)


def whole(folder, key: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    r"""Picture, labels and edges of a scene, as they are on disk."""
    picture = to_unit(read_picture(folder / f"images/{key}.png"))
    labels = read_picture(folder / f"labels/{key}.png", "L")[0].long()
    return picture, labels, edge_maps(picture[None])[0]


def places(part: torch.Tensor, of: torch.Tensor) -> list[tuple[int, int]]:
    r"""Where a crop lies in a picture, pixel by pixel."""
    windows = of.unfold(1, 32, 1).unfold(2, 32, 1)
    same = (windows == part[:, None, None]).all(-1).all(-1).all(0)
    return [tuple(place) for place in same.nonzero().tolist()]


def test_crops_are_native_pixels_with_their_labels_and_the_edges_of_the_whole(folder):
    dataset, found = FolderDataset(folder, config=cutting()), set()
    for index in range(len(dataset)):
        sample = dataset[index]
        picture, labels, edges = whole(folder, "a" if index < len(dataset) // 2 else "b")
        [(top, left)] = places(sample.image, picture)
        here = (slice(top, top + 32), slice(left, left + 32))
        assert torch.equal(sample.labels, labels[here])
        assert torch.equal(sample.edges, edges[:, *here])
        found.add((top, left))
    assert len(found) > len(dataset) // 2, "random places"
    assert any(left % 32 or top % 32 for top, left in found)


def test_an_epoch_has_as_many_crops_as_lie_side_by_side_or_as_are_asked_for(folder):
    save(photo(2, (64, 40)), folder / "images/c.png")
    save(blocks([0, 1], (64, 40)), folder / "labels/c.png")
    assert len(FolderDataset(folder, config=cutting())) == 12 + 12 + 2
    assert len(FolderDataset(folder, config=cutting(crops_per_image=5))) == 15
    # At half the size fewer fit side by side.
    (folder / "images/c.png").unlink()
    (folder / "labels/c.png").unlink()
    assert len(FolderDataset(folder, config=cutting((0.5, 0.5)))) == 2 + 2


def test_a_crop_depends_on_seed_epoch_and_number_alone(folder):
    def images(dataset, order):
        return torch.stack([dataset[index].image for index in order])

    first, again = (FolderDataset(folder, config=cutting((0.5, 1.0))) for _ in range(2))
    again.set_epoch(3)
    images(again, [5, 0])
    again.set_epoch(0)
    assert torch.equal(images(first, [0, 7, 23]), images(again, [23, 7, 0]).flip(0))
    again.set_epoch(1)
    assert not torch.equal(images(first, [0, 7]), images(again, [0, 7]))
    other = FolderDataset(folder, config=cutting((0.5, 1.0)), seed=1)
    assert not torch.equal(images(first, [0, 7]), images(other, [0, 7]))


def test_workers_change_nothing(folder):
    def images(workers):
        batches = folder_batches(FolderDataset(folder, config=cutting()), workers=workers)
        return torch.cat([batch.images for batch in islice(batches, 4)])

    assert torch.equal(images(0), images(2))


def test_a_file_is_decoded_once_and_again_only_when_it_changed(folder, monkeypatch):
    decoded = []

    def counted(path, *mode):
        decoded.append(path.name)
        return read_picture(path, *mode)

    monkeypatch.setattr(datasets, "read_picture", counted)
    for _ in range(2):
        dataset = FolderDataset(folder, config=cutting())
        for index in range(len(dataset)):
            dataset[index]
    assert sorted(decoded) == ["a.png", "b.png"]
    save(255 - photo(0, LARGE), folder / "images/a.png")
    os.utime(folder / "images/a.png", ns=(1, 1))
    dataset = FolderDataset(folder, config=cutting())
    assert places(dataset[0].image, to_unit(read_picture(folder / "images/a.png")))
    assert sorted(decoded) == ["a.png", "a.png", "b.png"]


def test_a_half_written_tile_is_never_read(folder, monkeypatch):
    def torn(path, content):
        path.parent.mkdir(exist_ok=True)
        path.with_name(".unfinished").write_bytes(content[:100])
        raise KeyboardInterrupt

    dataset = FolderDataset(folder, config=cutting())
    with monkeypatch.context() as patch:
        patch.setattr(tiles, "write_file", torn)
        with pytest.raises(KeyboardInterrupt):
            dataset[0]
    assert dataset[0].image.shape == (3, 32, 32)


def test_where_the_data_cannot_be_written_tiles_go_to_the_cache(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setattr(tiles.os, "access", lambda *_: False)
    monkeypatch.setattr(tiles.pooch, "os_cache", lambda _: cache)
    FolderDataset(folder, config=cutting())[0]
    assert list(cache.rglob("*.npy"))
    assert not (folder / tiles.FOLDER).exists()


def test_a_choice_that_the_tile_depends_on_makes_another(folder):
    assert FolderDataset(folder, config=cutting())[0].labels.max() <= 3
    fewer = replace(cutting(), model=replace(cutting().model, classes=3))
    with pytest.raises(FolderError, match=r"label 3 in labels/a.png; allowed are 0 to 2"):
        FolderDataset(folder, config=fewer)[0]


def test_random_scales_stay_between_the_two_and_inside_the_picture():
    config, seen = cutting((0.4, 2.0)), []
    for seed in range(200):
        window = draw_window((90, 140), config, np.random.default_rng(seed))
        assert window.height == window.width
        assert window.top + window.height <= 90
        assert window.left + window.width <= 140
        seen.append(32 / window.height)
    assert min(seen) == pytest.approx(0.4, rel=0.05)
    assert max(seen) == pytest.approx(2.0, rel=0.05)
    # As many show more than the geometric mean of the two as show less.
    assert 70 < sum(scale > 0.9 for scale in seen) < 130


def test_a_picture_that_is_small_for_the_smaller_scale_is_cut_at_a_larger_one():
    for seed in range(20):
        window = draw_window((40, 50), cutting((0.1, 1.0)), np.random.default_rng(seed))
        assert 32 <= window.height == window.width <= 40


def test_a_halved_crop_is_the_halved_picture(folder):
    sample = FolderDataset(folder, config=cutting((0.5, 0.5)), augment=False)[1]
    picture, labels, _ = whole(folder, "a")
    expected = torch.nn.functional.interpolate(
        picture[None, :, :64, 64:128], (32, 32), mode="bicubic", antialias=True
    )
    assert torch.allclose(sample.image, expected[0].clamp(-1, 1), atol=1e-6)
    assert torch.equal(sample.labels, labels[1:64:2, 65:128:2])


def test_validation_crops_lie_side_by_side_and_cover_the_picture(folder):
    dataset = FolderDataset(folder, config=cutting(), augment=False)
    picture, labels, _ = whole(folder, "a")
    windows = side_by_side(LARGE, cutting())
    assert len(dataset) == 2 * len(windows) == 24
    for index, window in enumerate(windows):
        here = (slice(window.top, window.top + 32), slice(window.left, window.left + 32))
        assert torch.equal(dataset[index].image, picture[:, *here])
        assert torch.equal(dataset.whole_labels(index), labels[here])
    covered = torch.zeros(LARGE)
    for window in windows:
        covered[window.top : window.top + 32, window.left : window.left + 32] += 1
    assert (covered[:96, :128] == 1).all()


def test_crops_with_much_dont_care_are_left_out(folder):
    labels = blocks([0, 1, 2, 3], LARGE)
    labels[:, :40] = IGNORE  # all of the first column, a quarter of the second
    labels[:10, 64:] = IGNORE
    for key in "ab":
        save(labels, folder / f"labels/{key}.png")
    config = cutting(dont_care=True)
    dataset = FolderDataset(folder, config=config, augment=False)
    corners = {window[:2] for _, window in dataset.crops.still}
    assert corners == {(32, 64), (64, 64), (32, 96), (64, 96)}
    drawn = FolderDataset(folder, config=config)
    for index in range(len(drawn)):
        assert (drawn[index].labels == IGNORE).float().mean() <= MOST_IGNORED
    for key in "ab":
        save(np.full(LARGE, IGNORE, np.uint8), folder / f"labels/{key}.png")
    with pytest.raises(FolderError, match=r"no crop of .* has at most 20% don't care"):
        FolderDataset(folder, config=config, augment=False)


def test_a_picture_smaller_than_a_crop_is_named_by_training_and_doctor_alike(folder):
    save(photo(2, (24, 60)), folder / "images/c.png")
    save(blocks([0, 1], (24, 60)), folder / "labels/c.png")
    said = r"60 x 24 pixels .*, too small for a crop at scale 1, 32 x 32"
    with pytest.raises(FolderError, match=rf"images/c.png is {said}.*data.scale end at 1.33 or"):
        FolderDataset(folder, config=cutting())
    finding = examine(folder, config=cutting()).of_kind("pictures smaller than a crop")
    assert finding.files == ("images/c.png",)
    assert "too small for a crop at scale 1, 32 x 32" in str(finding)
    assert len(FolderDataset(folder, config=cutting((1.0, 1.34)))) > 0
    assert examine(folder, config=cutting((1.0, 1.34))).ok


@pytest.mark.parametrize("scale", [(0, 1), (1, 0.5), (-1, 1), (1, float("inf"))])
def test_scales_that_are_none_are_refused(scale):
    with pytest.raises(ConfigError, match=r"data.scale is \(.*two positive numbers, the smaller"):
        DataConfig(name="own", scale=scale)


def test_choices_that_exclude_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"load_size \(40\) fits whole pictures: set one"):
        DataConfig(name="own", scale=(1, 1), load_size=40)
    with pytest.raises(ConfigError, match=r"crops_per_image is 0; it must be >= 1"):
        DataConfig(name="own", scale=(1, 1), crops_per_image=0)


def test_instances_are_cut_with_their_picture(tmp_path):
    write(tmp_path, "folder", [0, 1], keys=("a",), size=LARGE, instances=[7, 60000], kind=np.uint16)
    config = cutting()
    config = replace(config, model=replace(config.model, instance_boundaries=True))
    dataset = FolderDataset(tmp_path, config=config)
    for index in range(len(dataset)):
        sample = dataset[index]
        assert torch.equal(sample.instances, torch.where(sample.labels == 0, 7, 60000))


def test_edges_read_from_disk_are_cut_too(folder):
    write_edges(folder)
    read, found = (
        FolderDataset(folder, config=cutting(), edges=way, augment=False)
        for way in ("read", "compute")
    )
    assert torch.equal(read[3].edges, found[3].edges)
    save(np.zeros(LARGE, np.uint8), folder / "edges/a.png")
    read = FolderDataset(folder, config=cutting(), edges="read", augment=False)
    assert (read[3].edges == -1).all()


def test_crops_become_batches_examples_and_layouts_from_all_over_the_pictures(folder):
    config = cutting()
    dataset = FolderDataset(folder, config=config, augment=False)
    batch = assemble([dataset[0], dataset[1]], config=config)
    assert batch.semantics.shape == (2, 4, 32, 32)
    assert torch.equal(batch.edges[0], dataset[0].edges)
    assert dataset.some(4) == [3, 9, 15, 21]
    assert dataset.some(99) == list(range(24))
    scenes = list(folder_examples(folder, config=config, split="train", count=4))
    assert torch.equal(scenes[3].image, dataset[21].image)
    source = Source(config=config, machine=Machine(), data=folder)
    assert torch.equal(source.examples(2).images[1], dataset[18].image)
    assert sum(len(layout) for layout in source.layouts()) == 24


def test_whole_pictures_are_taken_in_their_order(tmp_path):
    write(tmp_path, "folder", [0, 1], keys=tuple("abcde"))
    config = replace(cutting(), data=DataConfig(name="own", flip=False))
    assert FolderDataset(tmp_path, config=config, augment=False).some(3) == [0, 1, 2]


def test_canny_sees_the_whole_picture_not_the_crop(folder):
    # A crop of its own would have other thresholds, and no edges at its border.
    dataset = FolderDataset(folder, config=cutting(), augment=False)
    differ = [
        not torch.equal(dataset[index].edges[0] > 0, canny(dataset[index].image[None])[0])
        for index in range(len(dataset))
    ]
    assert any(differ)
