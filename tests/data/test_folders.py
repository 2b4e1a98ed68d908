r"""Folders of every layout become the same kind of batch; wrong files are named with a cure."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ecgan.config import Config, ConfigError, DataConfig, ModelConfig, TrainingConfig
from ecgan.data import toy
from ecgan.data.folders.batches import assemble, find_edges, folder_batches, write_edges
from ecgan.data.folders.conventions import CONVENTIONS, FolderError, recognise
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.folders.geometry import Geometry, draw
from ecgan.data.folders.photographs import read_picture, to_unit
from ecgan.method.edges import edge_maps
from ecgan.method.layouts import IGNORE
from ecgan.presets import preset
from support.scenes_on_disk import SIZE, blocks, photo, save, write


def small(name: str, **data) -> Config:
    r"""The preset's classes and channels at 32 x 32, with the preset's own kind of cropping."""
    config = preset(name)
    model = replace(config.model, height=32, width=32, upsampling="normal", base_channels=2)
    load = {"load_size": None if config.data.load_size is None else 36} | data
    return replace(config, model=model, data=replace(config.data, **load))


def plain(classes: int = 4, **changes) -> Config:
    r"""A config for a folder of one's own, the size of the pictures."""
    size = {"height": 32, "width": 32} | changes
    return Config(
        model=ModelConfig(classes=classes, base_channels=2, **size),
        data=DataConfig(name="own", flip=False),
        training=TrainingConfig(batch_size=2),
    )


# What the label files hold, and which class each bar must become.
OFFICIAL = {
    "facades": ([1, 12, 2], [0, 11, 1]),
    "cityscapes": ([0, 33, 255], [0, 33, 34]),
    "ade20k": ([0, 1, 150], [IGNORE, 0, 149]),
    "coco_stuff": ([0, 181, 255], [0, 181, IGNORE]),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_layouts_and_their_numbering(tmp_path, name):
    values, classes = OFFICIAL[name]
    keys = ("aachen/aachen_0", "ulm/ulm_0") if name == "cityscapes" else ("x1", "x2")
    instances = [3, 9] if CONVENTIONS[name].instances else None
    for split, scenes in (("train", keys), ("val", keys[:1])):
        write(tmp_path, name, values, keys=scenes, split=split, instances=instances)
    assert recognise(tmp_path) is CONVENTIONS[name]
    config = small(name)
    dataset = FolderDataset(tmp_path, config=config)
    assert [scene.key for scene in dataset.scenes] == list(keys)
    assert len(FolderDataset(tmp_path, config=config, split="val")) == 1
    straight = FolderDataset(tmp_path, config=config, augment=False)[0]
    assert straight.labels.unique().tolist() == sorted(classes)
    assert straight.labels[0, [0, 16, 31]].tolist() == classes
    if instances:
        assert straight.instances[0, [0, 31]].tolist() == instances
    batch = assemble([dataset[0], dataset[1]], config=config)
    assert batch.semantics.shape == (2, config.model.semantic_channels, 32, 32)
    assert batch.images.shape == batch.edges.shape == (2, 3, 32, 32)
    if config.model.instance_boundaries:
        assert batch.semantics[:, -1].any()


def test_cityscapes_minus_one_in_wide_files_is_the_licence_plate(tmp_path):
    write(tmp_path, "cityscapes", [0], keys=("ulm/a",), instances=[1])
    label = next(tmp_path.glob("gtFine/**/*_labelIds.png"))
    save(blocks([65535, 7], kind=np.uint16), label)
    sample = FolderDataset(tmp_path, config=small("cityscapes"), augment=False)[0]
    assert sample.labels[0, [0, 31]].tolist() == [34, 7]


def test_instance_ids_of_more_than_eight_bits(tmp_path):
    write(tmp_path, "cityscapes", [26], keys=("ulm/a",), instances=[26001, 26002], kind=np.uint16)
    sample = FolderDataset(tmp_path, config=small("cityscapes"), augment=False)[0]
    assert sample.instances[0, [0, 31]].tolist() == [26001, 26002]


def test_toy_folder_comes_back_as_it_was_drawn(tmp_path):
    toy.write_folder(tmp_path, 3, seed=5)
    scenes = toy.scenes(3, seed=5)
    dataset = FolderDataset(tmp_path, config=preset("toy"), augment=False)
    for index in range(3):
        sample = dataset[index]
        assert torch.equal(sample.labels, scenes.labels[index])
        assert torch.equal(sample.instances, scenes.instances[index])
        assert torch.equal(sample.image, scenes.images[index])


def test_palette_files_are_read_as_ids(tmp_path):
    write(tmp_path, "folder", [0, 1, 2, 3])
    grey = FolderDataset(tmp_path, config=plain(), augment=False)[0].labels
    picture = Image.fromarray(blocks([0, 1, 2, 3]), mode="P")
    picture.putpalette(toy.PALETTE[::-1].tobytes())
    picture.save(tmp_path / "labels/a.png")
    assert torch.equal(FolderDataset(tmp_path, config=plain(), augment=False)[0].labels, grey)


@pytest.mark.parametrize("flip", [False, True])
def test_image_labels_and_edges_stay_on_top_of_each_other(tmp_path, flip):
    # One bright square on black: its class, its pixels and its outline must move together.
    height, width = 90, 120
    labels = np.zeros((height, width), np.uint8)
    labels[30:60, 20:60] = 1
    for part, array in (("images", np.stack([labels * 255] * 3, -1)), ("labels", labels)):
        save(array, tmp_path / part / "a.png")
    config = plain(2)
    config = replace(config, data=replace(config.data, load_size=48, flip=flip))
    dataset = FolderDataset(tmp_path, config=config)
    corners = set()
    for epoch in range(8):
        dataset.set_epoch(epoch)
        sample = dataset[0]
        corners.add((sample.geometry.corner, sample.geometry.flip))
        bright = sample.image[0] > 0
        assert (bright == (sample.labels == 1)).float().mean() > 0.97
        edges = find_edges([sample])[0, 0] > -0.8
        # Beyond the crop there may be anything: look at what has two pixels around it.
        around = F.unfold(bright[None, None].float(), 5)[0]
        line = edges[2:-2, 2:-2].flatten()
        assert not (line & (around.amin(0) == 1)).any(), "an edge inside the square"
        assert not (line & (around.amax(0) == 0)).any(), "an edge outside the square"
    assert len(corners) > 4
    assert {flipped for _, flipped in corners} == ({False, True} if flip else {False})


def test_flip_is_the_mirror_image():
    picture = to_unit(torch.from_numpy(photo(1).copy()).permute(2, 0, 1))
    labels = blocks([0, 1, 2, 3])
    way = {"resized": (30, 26), "corner": (3, 2), "size": (20, 20)}
    straight, mirrored = Geometry(**way), Geometry(**way, flip=True)
    assert torch.equal(straight.of_picture(picture).flip(-1), mirrored.of_picture(picture))
    assert np.array_equal(straight.of_labels(labels)[:, ::-1], mirrored.of_labels(labels))


@pytest.mark.parametrize("size", [(13, 17), (95, 99), SIZE])
def test_resizing_is_pillows_nearest_and_nearly_its_bicubic(size):
    labels, picture = np.random.default_rng(0).integers(0, 9, SIZE).astype(np.uint8), photo(3)
    geometry = Geometry(resized=size, corner=(0, 0), size=size)
    swapped = size[::-1]
    expected = Image.fromarray(labels).resize(swapped, Image.Resampling.NEAREST)
    assert np.array_equal(geometry.of_labels(labels), np.asarray(expected))
    ours = geometry.of_picture(to_unit(torch.from_numpy(picture.copy()).permute(2, 0, 1)))
    theirs = np.asarray(Image.fromarray(picture).resize(swapped, Image.Resampling.BICUBIC))
    # Pillow rounds to whole levels between its two passes.
    levels = (ours.permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(levels - theirs).max() < 4
    assert np.abs(levels - theirs).mean() < 0.5


def test_crops_keep_the_models_proportions_and_stay_inside():
    config = plain(height=32, width=64)
    config = replace(config, data=replace(config.data, load_size=40))
    for seed in range(40):
        geometry = draw(config, np.random.default_rng(seed))
        assert geometry.resized == (40, 80)
        assert 0 <= geometry.corner[0] <= 8
        assert 0 <= geometry.corner[1] <= 16
        assert geometry.size == (32, 64)
    assert draw(config, None).resized == (32, 64)


def test_load_286_crop_256_as_published():
    for name in ("facades", "ade20k", "coco_stuff"):
        geometry = draw(preset(name), np.random.default_rng(0))
        assert (geometry.resized, geometry.size) == ((286, 286), (256, 256))
    city = draw(preset("cityscapes"), np.random.default_rng(0))
    assert city.resized == city.size == (256, 512)


def test_edges_are_found_at_full_resolution(tmp_path):
    write(tmp_path, "folder", [0, 1])
    dataset = FolderDataset(tmp_path, config=plain(), augment=False)
    sample = dataset[1]
    full = edge_maps(to_unit(read_picture(tmp_path / "images/b.png"))[None])
    expected = F.interpolate(full, (32, 32), mode="bicubic", antialias=True)
    assert torch.allclose(find_edges([sample])[0], expected[0].clamp(-1, 1), atol=1e-6)
    # Canny after resizing would give other lines.
    assert not torch.allclose(edge_maps(sample.image[None])[0], find_edges([sample])[0], atol=0.5)


def test_edges_of_pictures_of_several_sizes_in_one_batch(tmp_path):
    write(tmp_path, "folder", [0, 1], keys=("a", "b"))
    write(tmp_path, "folder", [0, 1], keys=("c", "d"), size=(64, 50))
    dataset = FolderDataset(tmp_path, config=plain())
    samples = [dataset[index] for index in range(4)]
    together = find_edges(samples)
    for index, sample in enumerate(samples):
        assert torch.allclose(together[index], find_edges([sample])[0], atol=1e-6)


def test_edges_read_from_disk_are_those_that_would_be_found(tmp_path):
    write(tmp_path, "folder", [0, 1])
    config = plain()
    config = replace(config, data=replace(config.data, load_size=36, flip=True))
    with pytest.raises(FolderError, match=r"no edge map for 3 scenes, first a.*edges=.compute"):
        FolderDataset(tmp_path, config=config, edges="read")
    written = write_edges(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        f"edges/{key}.png" for key in "abc"
    ]
    read = FolderDataset(tmp_path, config=config, edges="read")
    found = FolderDataset(tmp_path, config=config)
    for index in range(3):
        assert read[index].photo is None
        assert torch.allclose(read[index].edges, find_edges([found[index]])[0], atol=1e-6)
    # What is on disk counts, not what could be found.
    save(np.zeros(SIZE, np.uint8), written[0])
    assert (read[0].edges < -0.99).all()


def test_a_sample_depends_on_seed_epoch_and_index_alone(tmp_path):
    write(tmp_path, "folder", [0, 1])
    config = plain()
    config = replace(config, data=replace(config.data, load_size=44, flip=True))

    def geometries(dataset):
        return [dataset[index].geometry for index in (2, 0, 1)]

    first = FolderDataset(tmp_path, config=config)
    again = FolderDataset(tmp_path, config=config)
    again.set_epoch(7)
    geometries(again)
    again.set_epoch(0)
    assert geometries(first) == geometries(again)
    assert torch.equal(first[0].image, again[0].image)
    again.set_epoch(1)
    assert geometries(first) != geometries(again)
    assert geometries(first) != geometries(FolderDataset(tmp_path, config=config, seed=1))


def test_batches_depend_on_the_step_alone_and_workers_change_nothing(tmp_path):
    write(tmp_path, "folder", [0, 1], keys=tuple("abcde"))
    config = plain()
    config = replace(config, data=replace(config.data, load_size=40, flip=True))

    def batches(start=0, count=5, workers=0):
        dataset = FolderDataset(tmp_path, config=config)
        return list(islice(folder_batches(dataset, start=start, workers=workers), count))

    whole = batches()
    assert len({tuple(batch.images.flatten().tolist()) for batch in whole}) == 5
    resumed = batches(start=3, count=2)
    parallel = batches(workers=1)
    for ours, theirs in [*zip(whole[3:], resumed), *zip(whole, parallel)]:
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs))


def test_an_epoch_shows_no_scene_twice(tmp_path):
    write(tmp_path, "folder", [0, 1], keys=tuple("abcd"))
    for number, key in enumerate("abcd"):
        save(np.full((*SIZE, 3), 40 * number, np.uint8), tmp_path / f"images/{key}.png")
    dataset = FolderDataset(tmp_path, config=plain(), augment=False)
    epochs = list(islice(folder_batches(dataset), 8))
    shown = [[batch.images[i, 0, 0, 0].item() for i in range(2)] for batch in epochs]
    orders = [tuple(shown[i] + shown[i + 1]) for i in range(0, 8, 2)]
    assert all(len(set(order)) == 4 for order in orders)
    assert len(set(orders)) > 1


def test_fewer_scenes_than_a_batch(tmp_path):
    write(tmp_path, "folder", [0], keys=("a",))
    with pytest.raises(FolderError, match="1 scenes, fewer than one batch of 2; lower batch_size"):
        next(folder_batches(FolderDataset(tmp_path, config=plain())))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("folder", [0, 7], r"label 7 in labels/a.png; allowed are 0 to 3 for 4 classes; see `ecg"),
        ("folder", [0, 255], r"label 255 in labels/a.png; allowed are 0 to 3 for 4 classes;"),
        ("facades", [0, 1], r"label 0 in base/a.png; allowed are 1 to 12 for 12 classes"),
        ("ade20k", [151], r"label 151 in annotations/training/a.png; .* 1 to 150 .* 0 for don't"),
        ("coco_stuff", [200], r"label 200 in train_label/a.png; .* 0 to 181 .* 255 for don't care"),
    ],
)
def test_a_label_out_of_range_is_named_as_the_file_has_it(tmp_path, name, values, message):
    write(tmp_path, name, values, instances=[1] if name == "coco_stuff" else None)
    config = plain() if name == "folder" else small(name)
    dataset = FolderDataset(tmp_path, config=config)
    with pytest.raises(FolderError, match=message):
        dataset[0]


def damage_label_size(folder):
    save(blocks([0], (9, 10)), folder / "labels/a.png")


def damage_image(folder):
    path = folder / "images/a.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_colour(folder):
    save(photo(0), folder / "labels/a.png")


def damage_jpeg(folder):
    (folder / "labels/a.png").unlink()
    save(blocks([0, 1]), folder / "labels/a.jpg")


def damage_instances(folder):
    save(blocks([1], (9, 10)), folder / "instances/a.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_label_size, r"labels/a.png is 10 x 9 pixels .* its image 40 x 48; .*ecgan doctor"),
        (damage_image, r"images/a.png is truncated or damaged .* fetch or export it again"),
        (damage_colour, r"labels/a.png is a colour picture \(mode RGB\); .*from_colors"),
        (damage_jpeg, r"labels/a.jpg is a JPEG file, .* export the label map again as PNG"),
        (damage_instances, r"instances/a.png is 10 x 9 pixels"),
    ],
)
def test_a_broken_file_is_named_with_its_cure(tmp_path, damage, message):
    write(tmp_path, "folder", [0, 1], instances=[0, 1])
    damage(tmp_path)
    dataset = FolderDataset(tmp_path, config=plain())
    with pytest.raises(FolderError, match=message):
        dataset[0]
    assert dataset[1].labels.shape == (32, 32)


def test_unpaired_files_are_refused_at_once(tmp_path):
    write(tmp_path, "folder", [0])
    (tmp_path / "labels/b.png").unlink()
    with pytest.raises(FolderError, match=r"images without labels, 1 in all, first images/b.png"):
        FolderDataset(tmp_path, config=plain())


def test_missing_instances_are_refused_at_once(tmp_path):
    write(tmp_path, "folder", [0])
    with pytest.raises(FolderError, match=r"no instance map for 3 scenes, .*instance_boundaries=F"):
        FolderDataset(tmp_path, config=plain(instance_boundaries=True))


def test_folders_that_hold_nothing(tmp_path):
    with pytest.raises(FolderError, match="no folders of images and labels"):
        FolderDataset(tmp_path, config=plain())
    with pytest.raises(FolderError, match="no convention 'coco'; there are facades, cityscapes"):
        FolderDataset(tmp_path, config=plain(), convention="coco")
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(FolderError, match="not one scene for the split 'train'"):
        FolderDataset(tmp_path, config=plain())


def test_load_size_smaller_than_the_crop(tmp_path):
    write(tmp_path, "folder", [0])
    config = plain()
    with pytest.raises(ConfigError, match="load_size is 20; crops of 32 x 32 need at least 32"):
        FolderDataset(tmp_path, config=replace(config, data=replace(config.data, load_size=20)))


def test_conventions_cannot_be_changed():
    with pytest.raises(TypeError):
        CONVENTIONS["mine"] = None
    with pytest.raises(AttributeError):
        CONVENTIONS["ade20k"].first = 0
    with pytest.raises(TypeError):
        CONVENTIONS["ade20k"].special[0] = 3
