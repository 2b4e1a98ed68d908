r"""Other people's folders: each in `faults/` has its right value, with neighbours of its kind."""

import json
import re
import shutil
import unicodedata
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from ecgan.data.doctor.examine import examine
from ecgan.data.doctor.large import edges_of
from ecgan.data.doctor.memory import Alive
from ecgan.data.folders.classes import decide_classes, read_classes
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.folders.labels import read_ids
from ecgan.data.folders.layouts import layout_files
from ecgan.data.folders.photographs import read_picture
from ecgan.method.edges import edge_maps
from ecgan.presets import preset
from support.scenes_on_disk import blocks, photo, save, write

FAULTS = Path(__file__).parent / "faults"


def levels(report) -> dict[str, str]:
    return {finding.kind: finding.level for finding in report.findings}


def config_of(folder: Path, *, dont_care: bool = False):
    config = decide_classes(preset("toy"), folder).config
    return replace(config, model=replace(config.model, dont_care=dont_care))


def trains(folder: Path, *, dont_care: bool = False) -> bool:
    r"""Whether training can read every scene."""
    try:
        dataset = FolderDataset(folder, config=config_of(folder, dont_care=dont_care))
        for index in range(len(dataset)):
            dataset[index]
    except FolderError:
        return False
    return True


@pytest.mark.parametrize("name", [
    "binary_mask_0_255", "labels_1_to_k_unknown_0", "layouts_all_255", "names_as_list",
    "names_bom", "names_missing", "names_utf8", "exif_rotated_square", "grey_16bit_photos",
    "grey_float_tif_photos", "palettes_that_differ", "png_large_profile",
])  # fmt: skip
def test_the_doctors_word_is_what_training_does(name):
    folder = FAULTS / name / "train"
    if name == "layouts_all_255":  # can be read, with don't care; that it teaches nothing is said
        assert not examine(folder).ok
        assert not trains(folder)
    else:
        assert examine(folder).ok == trains(folder)


@pytest.mark.parametrize(
    ("values", "classes", "says"),
    [
        ([0, 255], 2, "the values are 0 and 255 and no others: a two-class mask? write 1 for 255"),
        ([0, 255], 4, "a two-class mask? write 1 for 255"),
        ([0, 128], 2, "a two-class mask? write 1 for 128"),
        ([0, 65535], 2, "a two-class mask? write 1 for 65535"),
        ([0, 1, 2, 3, 4], 4, "the values run from 0 to 4 for 4 classes: is 0 'unknown'?"),
        ([1, 2, 3, 4], 4, "they seem to be 1-based"),
    ],
)
def test_numberings_are_recognised_for_what_they_are(tmp_path, values, classes, says):
    kind = np.uint16 if max(values) > 255 else np.uint8
    for number in range(2):
        save(photo(number), tmp_path / f"images/{number}.jpg")
        save(blocks(values, kind=kind), tmp_path / f"labels/{number}.png")
    (tmp_path / "classes.json").write_text(json.dumps([f"class {k}" for k in range(classes)]))
    report = examine(tmp_path)
    finding = report.of_kind("label convention")
    assert finding.level == "error"
    assert says in finding.message
    assert not trains(tmp_path)


def test_the_given_masks():
    said = str(examine(FAULTS / "binary_mask_0_255/train"))
    assert "a two-class mask? write 1 for 255" in said
    said = str(examine(FAULTS / "labels_1_to_k_unknown_0/train"))
    assert "is 0 'unknown'? then subtract 1" in said
    report = examine(FAULTS / "layouts_all_255/train")
    assert levels(report) == {"layouts without a class": "error"}


def test_255_is_told_in_the_words_of_the_command_line():
    folder = FAULTS / "dont_care_255/train"
    report = examine(folder)
    assert levels(report) == {"label convention": "warning"}
    assert "--model.dont-care" in str(report)
    assert "dont_care=True" not in str(report)
    assert not trains(folder)
    assert trains(folder, dont_care=True)


def test_one_layout_without_a_class_is_a_warning(tmp_path):
    write(tmp_path, "folder", [0, 1])
    save(blocks([255]), tmp_path / "labels/b.png")
    report = examine(tmp_path)
    assert report.of_kind("layouts without a class").files == ("labels/b.png",)
    assert report.ok


def test_palettes_that_differ(tmp_path):
    finding = examine(FAULTS / "palettes_that_differ/train").of_kind("palettes that differ")
    assert finding.level == "warning"
    assert "from_colors" in finding.message
    write(tmp_path, "folder", [0, 1])
    for path in (tmp_path / "labels").iterdir():  # one palette for all of them is as it should be
        picture = Image.fromarray(blocks([0, 1]), mode="P")
        picture.putpalette([9, 9, 9, 200, 0, 0])
        picture.save(path)
    assert examine(tmp_path).findings == ()


@pytest.fixture
def linked(tmp_path) -> Path:
    shutil.copytree(FAULTS / "linked_part", tmp_path / "linked")
    train = tmp_path / "linked/train"
    for part in ("images", "labels"):
        (train / part / "night").unlink()  # links do not travel: only what they said
        (train / part / "night").symlink_to(Path("../../elsewhere") / part)
    return train


def test_linked_folders_are_followed(linked):
    assert examine(linked).counts["pairs"] == 12
    assert len(FolderDataset(linked, config=config_of(linked))) == 12
    (linked / "images/round").symlink_to(linked / "images")  # and a link in a circle ends
    (linked / "labels/round").symlink_to(linked / "labels")
    assert examine(linked).counts["pairs"] == 12


def test_a_link_to_nothing_is_named(linked):
    (linked / "images/gone.jpg").symlink_to("nowhere.jpg")
    save(blocks([0]), linked / "labels/gone.png")
    finding = examine(linked).of_kind("unreadable files")
    assert finding.details == ("images/gone.jpg: is a link to nothing",)


def test_links_that_became_text_are_named_for_what_they_are(linked):
    for part in ("images", "labels"):  # as a checkout leaves them where no link can be made
        (linked / part / "night").unlink()
        (linked / part / "night").write_text(f"../../elsewhere/{part}")
    (linked / "images/notes").write_text("taken in May")
    report = examine(linked)
    assert report.of_kind("links as text").files == ("images/night", "labels/night")
    assert report.of_kind("files passed over").files == ("images/notes",)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_that_differ_only_in_their_unicode_form_are_pairs(tmp_path, forms):
    names = [unicodedata.normalize(form, "Straße am Fluß é ü") for form in forms]
    save(photo(0), tmp_path / f"images/{names[0]}.jpg")
    save(blocks([0, 1]), tmp_path / f"labels/{names[1]}.png")
    assert examine(tmp_path).ok
    assert trains(tmp_path)


@pytest.mark.parametrize(
    ("stray", "passed"),
    [("p.jfif", False), ("p.JPG", False), ("p.heic", True), ("p.npy", True), ("p", True)],
)
def test_endings_are_read_or_named(tmp_path, stray, passed):
    save(blocks([0, 1]), tmp_path / "labels/p.png")
    (tmp_path / "images").mkdir()
    Image.fromarray(photo(0)).save(tmp_path / "images" / stray, format="JPEG")
    report = examine(tmp_path)
    assert report.ok != passed
    if passed:
        assert report.of_kind("files passed over").files == (f"images/{stray}",)
        finding = report.of_kind("labels without images")
        assert f"there is images/{stray}" in finding.details[0]


def test_hidden_files_do_not_count_and_capitals_do():
    mac, capitals = FAULTS / "mac_hidden_files/val", FAULTS / "upper_case_png/val"
    assert examine(mac).findings == ()
    assert list(layout_files([mac / "labels"])) == ["p00", "p01", "p02"]
    found = layout_files([capitals / "labels"])
    assert len(found) == examine(capitals).counts["pairs"]
    assert {path.suffix for path in found.values()} == {".PNG"}


DAMAGED = sorted((FAULTS / "damaged_png").glob("*.png"))


@pytest.mark.parametrize("path", DAMAGED, ids=lambda path: path.stem)
def test_each_damaged_file_is_one_sentence_for_doctor_and_reader(tmp_path, path):
    with pytest.raises(FolderError) as error:
        read_ids(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    write(tmp_path, "folder", [0, 1])
    shutil.copy(path, tmp_path / "labels/b.png")
    report = examine(tmp_path)
    assert report.of_kind("unreadable files").files == ("labels/b.png",)
    assert report.read == 3


def large_text(path: Path) -> None:
    chunk = PngImagePlugin.PngInfo()
    chunk.add(b"zTXt", b"k\0\0" + zlib.compress(bytes(2_000_000)))
    Image.fromarray(blocks([0, 1])).save(path, pnginfo=chunk)


def cut_bmp(path: Path) -> None:
    Image.fromarray(blocks([0, 1])).save(path, format="BMP")
    path.write_bytes(path.read_bytes()[:40])


def broken_tiff(path: Path) -> None:
    Image.fromarray(blocks([0, 1])).save(path, format="TIFF")
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff\xff\xff\x7f" + content[8:])


def huge(path: Path) -> None:
    shutil.copy(next((FAULTS / "very_large_picture").rglob("*.png")), path)


@pytest.mark.parametrize("damage", [large_text, cut_bmp, broken_tiff, huge])
def test_pillows_other_exceptions_are_one_line_and_the_rest_goes_on(tmp_path, damage):
    write(tmp_path, "folder", [0, 1])
    damage(tmp_path / "labels/b.png")
    report = examine(tmp_path)
    finding = report.of_kind("unreadable files")
    assert finding.files == ("labels/b.png",)
    assert report.read == 3
    if damage is huge:
        assert "has 225 million pixels, 179 million are read" in finding.details[0]


def test_a_large_profile_is_one_line_about_its_file():
    finding = examine(FAULTS / "png_large_profile/train").of_kind("unreadable files")
    assert finding.files == ("images/p02.png",)
    assert finding.details[0].endswith("; save it again without profile and comments")


def test_the_doctors_line_keeps_the_cure_that_is_not_the_usual_one(tmp_path):
    write(tmp_path, "folder", [0, 1])
    shutil.copy(next((FAULTS / "jpeg_layouts").glob("*.jpg")), tmp_path / "labels/b.png")
    (tmp_path / "labels/c.png").write_bytes((tmp_path / "labels/c.png").read_bytes()[:60])
    said = examine(tmp_path).of_kind("unreadable files").details
    assert said[0].endswith("; export the label map again as PNG")
    assert "fetch or export" not in said[1]


@pytest.mark.parametrize("read", [read_ids, read_picture])
def test_a_picture_larger_than_the_memory_is_named(tmp_path, read, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    path = save(blocks([0, 1]), tmp_path / "large.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", full)
    with pytest.raises(FolderError, match=r"large.png is too large for the memory that is free"):
        read(path)


def large_photographs(folder: Path, *, side: int) -> Path:
    for key in "ab":
        save(np.zeros((side, side, 3), np.uint8), folder / f"images/{key}.png")
        save(np.zeros((side, side), np.uint8), folder / f"labels/{key}.png")
    return folder


def test_large_photographs_are_told_with_the_time_and_memory_of_a_step(tmp_path):
    folder = large_photographs(tmp_path, side=2100)
    finding = examine(folder).of_kind("large pictures")
    assert finding.files == ("images/a.png", "images/b.png")
    batch = preset("toy").training.batch_size
    told = rf"up to 4.4 million pixels: finding the edges of a batch of {batch} takes about \d+ s "
    assert re.search(told + r"and \d+\.\d GiB in each step \(estimate\)", finding.message)
    crops = replace(preset("aerial"), data=replace(preset("aerial").data, name="folder"))
    assert examine(folder, config=crops).of_kind("large pictures") is None


def test_the_memory_of_edges_is_that_of_a_larger_picture():
    side = 200
    with Alive(counts=lambda tensor: True) as alive:
        picture = torch.rand(1, 3, side, side) * 2 - 1
        edge_maps(picture)
    assert edges_of(side**2).bytes == pytest.approx(alive.most, rel=0.1)
    assert edges_of(2 * side**2).seconds == 2 * edges_of(side**2).seconds > 0


@pytest.mark.parametrize("path", sorted((FAULTS / "jpeg_layouts").glob("*")), ids=lambda p: p.stem)
def test_jpeg_layouts_are_refused(path):
    with pytest.raises(FolderError, match="is a JPEG file, which changes ids"):
        read_ids(path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a_i16b.tif", None), ("d_int32.tif", None), ("e_16.png", None), ("f_1.png", None),
        ("g_spread.png", None), ("h.gif", None),
        ("b_float.tif", "holds fractions"), ("c_la.png", "stores grey ids as colours"),
        ("i.webp", "is a WEBP file"),
    ],
)  # fmt: skip
def test_kinds_of_label_files(name, says):
    path = FAULTS / "other_label_modes" / name
    if says is None:
        assert read_ids(path).dtype.kind in "iu"
    else:
        with pytest.raises(FolderError, match=says):
            read_ids(path)


def test_names_in_every_form_are_read_by_all():
    for name, count in (("names_as_list", 4), ("names_bom", 4), ("names_utf8", 4)):
        folder = FAULTS / name / "train"
        assert len(read_classes(folder)) == count
        assert f"held against {count} classes, as" in str(examine(folder))
    said = str(examine(FAULTS / "names_missing/train"))
    assert "held against 9 classes, as the preset toy has, for there is no" in said


@pytest.mark.parametrize("seed", range(40))
def test_bytes_at_random_never_become_anything_but_a_sentence(tmp_path, seed):
    dice = np.random.default_rng(seed)
    ending = ("png", "bmp", "tif", "gif", "jpg", "pgm")[seed % 6]
    path = save(blocks([0, 1, 2]), tmp_path / f"a.{ending}")
    content = bytearray(path.read_bytes())
    for place in dice.integers(0, len(content), 6):
        content[place] = dice.integers(0, 256)
    path.write_bytes(content[: dice.integers(1, len(content) + 1)] if seed % 3 else content)
    said = str(path)
    try:
        read_ids(path)
    except FolderError as error:
        said = str(error)
    assert said.startswith(str(path))
