r"""Neighbours of the kinds in `faults/`: links, palettes, lossy layouts, names, depths, turns."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from ecgan.config import Config, DataConfig, ModelConfig
from ecgan.data.doctor.examine import examine
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.folders.labels import read_ids
from support.scenes_on_disk import SIZE, blocks, photo, save, write

MODEL = ModelConfig(classes=2, height=32, width=32, base_channels=2, spade_hidden=4)
CONFIG = Config(model=MODEL, data=DataConfig(name="own", flip=False))


def pairs(folder: Path) -> int:
    r"""How many scenes training reads, which must be what the doctor counts."""
    dataset = FolderDataset(folder, config=CONFIG)
    for index in range(len(dataset)):
        dataset[index]
    assert examine(folder).counts["pairs"] == len(dataset)
    return len(dataset)


# Links.


def linked_root(folder: Path) -> Path:
    (folder.parent / "elsewhere").symlink_to(folder)
    return folder.parent / "elsewhere"


def linked_part(folder: Path) -> Path:
    (folder / "labels").rename(folder.parent / "masks")
    (folder / "labels").symlink_to(folder.parent / "masks")
    return folder


def linked_files(folder: Path) -> Path:
    for path in list((folder / "images").iterdir()):
        path.rename(folder.parent / path.name)
        path.symlink_to(folder.parent / path.name)
    return folder


def linked_folders_inside(folder: Path) -> Path:
    for part in ("images", "labels"):
        (folder / part).rename(folder.parent / part)
        (folder / part).mkdir()
        (folder / part / "more").symlink_to(folder.parent / part)
    return folder


LINKS = [linked_root, linked_part, linked_files, linked_folders_inside]


def link_of_a_link(folder: Path) -> Path:
    return linked_root(linked_part(linked_files(folder)))


@pytest.mark.parametrize("link", [*LINKS, link_of_a_link])
def test_links_of_every_kind_are_followed(tmp_path, link):
    assert pairs(link(write(tmp_path / "data", "folder", [0, 1]))) == 3


# Palettes.


def with_palette(path: Path, colours: list[int], values: list[int]) -> None:
    picture = Image.fromarray(blocks(values)).convert("P")
    picture.putpalette(colours)
    picture.save(path)


SKY, ROAD, OTHER = [9, 9, 9], [200, 0, 0], [0, 0, 250]


@pytest.mark.parametrize(
    ("colours", "values", "differs"),
    [
        (SKY + ROAD + OTHER, [0, 1], False),  # longer, but the numbers that are met look alike
        (SKY + OTHER, [0], False),  # another colour for a number that is not met
        (ROAD + SKY, [0, 1], True),  # the other way round
        (SKY + OTHER, [0, 1], True),  # one of them
        (SKY + [201, 0, 0], [0, 1], True),  # hardly to be seen
    ],
)
def test_palettes_differ_where_a_number_that_is_met_looks_otherwise(
    tmp_path, colours, values, differs
):
    write(tmp_path, "folder", [0, 1], keys=tuple("abcd"))
    for path in (tmp_path / "labels").iterdir():
        with_palette(path, SKY + ROAD, [0, 1])
    with_palette(tmp_path / "labels/d.png", colours, values)
    finding = examine(tmp_path).of_kind("palettes that differ")
    assert (finding.files if finding else ()) == (("labels/d.png",) if differs else ())


def test_grey_maps_among_palettes_are_nothing_strange(tmp_path):
    write(tmp_path, "folder", [0, 1])
    with_palette(tmp_path / "labels/a.png", SKY + ROAD, [0, 1])
    assert examine(tmp_path).of_kind("palettes that differ") is None


# Layouts in formats that change ids.


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("JPEG", {}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {"lossless": True}),  # made of colours, whose equality nobody promises
        ("JPEG2000", {}),
    ],
)
@pytest.mark.parametrize("ending", ["png", "jpg", "PNG"])
def test_the_format_counts_and_not_the_ending(tmp_path, form, more, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(blocks([0, 1])).save(path, form, **more)
    with pytest.raises(FolderError, match=rf"is a {form} file, which changes ids"):
        read_ids(path)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "pgm"])
def test_formats_that_keep_ids_keep_them(tmp_path, ending):
    labels = blocks([0, 1, 200, 255])
    assert np.array_equal(read_ids(save(labels, tmp_path / f"a.{ending}")), labels)


def test_greys_that_were_numbered_anew_are_told(tmp_path):
    write(tmp_path, "folder", [0, 1])
    with_palette(tmp_path / "labels/a.png", [0, 0, 0, 1, 1, 1], [0, 1])  # each its own grey
    assert examine(tmp_path).findings == ()
    (tmp_path / "labels/b.png").unlink()
    save(blocks([0, 200]), tmp_path / "labels/b.gif")
    finding = examine(tmp_path).of_kind("palettes of greys")
    assert finding.files == ("labels/b.gif",)
    assert "1 in b.gif is shown as the grey 200" in finding.message


# Names.


@pytest.mark.parametrize(
    ("image", "label", "paired"),
    [
        ("nuit/é", "nuit/é", True),
        (unicodedata.normalize("NFD", "forêt/à"), unicodedata.normalize("NFC", "forêt/à"), True),
        (unicodedata.normalize("NFC", "각"), unicodedata.normalize("NFD", "각"), True),
        ("a.b", "a.b", True),
        ("Beach", "beach", False),
        ("beach ", "beach", False),
        ("img１", "img1", False),  # a wide digit
    ],
)
def test_names_are_paired_or_the_near_miss_is_told(tmp_path, image, label, paired):
    save(photo(0), tmp_path / f"images/{image}.png")
    save(blocks([0, 1]), tmp_path / f"labels/{label}.png")
    if paired:
        assert pairs(tmp_path) == 1
    else:
        finding = examine(tmp_path).of_kind("images without labels")
        assert f"there is labels/{label}.png: rename it" in finding.details[0]


# Depths and turns of label maps, which go with their photographs.


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *(("png", kind) for kind in (np.uint8, np.uint16, bool)),
        *(("tif", kind) for kind in (np.uint8, np.uint16, np.int32, bool)),
    ],
)
def test_ids_of_every_depth(tmp_path, ending, kind):
    path = save(blocks([0, 1]).astype(kind), tmp_path / f"a.{ending}")
    assert np.array_equal(read_ids(path), blocks([0, 1]))


@pytest.mark.parametrize("flag", [3, 6, 8])
def test_a_label_map_with_a_flag_is_turned_like_its_photograph(tmp_path, flag):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = flag
    for part, array in (("images", photo(0)), ("labels", blocks([0, 1]))):
        (tmp_path / part).mkdir()
        Image.fromarray(array).save(tmp_path / part / "a.png", exif=exif)
    assert pairs(tmp_path) == 1
    upright = SIZE if flag == 3 else SIZE[::-1]
    assert examine(tmp_path).sizes == {upright: 1}
    assert read_ids(tmp_path / "labels/a.png").shape == upright
    Image.fromarray(blocks([0, 1])).save(tmp_path / "labels/a.png")  # without it they differ
    assert (examine(tmp_path).of_kind("sizes that differ") is None) == (flag == 3)
