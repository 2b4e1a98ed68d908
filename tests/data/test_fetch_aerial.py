# ruff: noqa: F811 (the fixtures of another module are arguments here)
r"""The aerial photographs: single files by hash, masks of colours, held-out parts, mirrors."""

import json
import re
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from data.test_fetch import facades, hashed, said, shelf  # noqa: F401
from ecgan.cli.main import main
from ecgan.data.doctor.examine import examine
from ecgan.data.fetch import aerial
from ecgan.data.fetch import fetch as fetching
from ecgan.data.fetch.fetch import LICENCE, fetch
from ecgan.data.fetch.sources import SOURCES
from ecgan.data.folders.conventions import HALF_FETCHED, FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.files.download import Archive, FetchError
from ecgan.presets import preset
from support.scenes_on_disk import photo, save

SIZE = (140, 130)
TILES, PARTS = (1, 2), ("001", "009")
BARS = [0, 1, 2, 3, 4, 0, -1, -2]


def painted(values: list[int], size=SIZE) -> np.ndarray:
    r"""A mask of horizontal bars in the colours of these classes; -1 grey, -2 black."""
    codes = [*aerial.COLOURS.values(), aerial.UNLABELLED[1], aerial.UNLABELLED[0]]
    bars = np.array([codes[value] for value in values])[np.arange(size[0]) * len(values) // size[0]]
    colours = np.stack([bars >> 16, bars >> 8 & 255, bars & 255], -1).astype(np.uint8)
    return np.repeat(colours[:, None], size[1], axis=1)


@pytest.fixture
def copy(tmp_path):
    r"""A small copy of the published files, as they lie at their address."""
    root = tmp_path / "copy"
    for tile in TILES:
        for part in PARTS:
            picture = (photo(tile, SIZE) * [1, 1, 0.8 if tile == 2 else 1]).astype(np.uint8)
            save(picture, root / f"Tile {tile}/images/image_part_{part}.jpg")
            save(painted(BARS), root / f"Tile {tile}/masks/image_part_{part}.png")
    return root


def source_of(copy, url=lambda name: f"http://127.0.0.1:9/{name}"):
    r"""The source with the small copy's files."""
    paths = sorted(path for path in copy.rglob("*.*"))
    names = [path.relative_to(copy).as_posix() for path in paths]
    files = tuple(
        Archive(name=name, urls=(url(quote(name)),), sha256=hashed(path.read_bytes()))
        for name, path in zip(names, paths, strict=True)
    )
    counts = {"published/Tile */images/*.jpg": 4, "published/Tile */masks/*.png": 4}
    return replace(SOURCES["aerial"], files=files, counts=counts)


@pytest.fixture
def served(shelf, copy):
    shelf.files = {
        quote(path.relative_to(copy).as_posix()): path.read_bytes() for path in copy.rglob("*.*")
    }
    return source_of(copy, shelf.url)


def test_a_fetch_ends_in_parts_that_the_doctor_accepts(shelf, served, said, tmp_path):
    folder = fetch("aerial", tmp_path / "data", source=served, say=said.append)
    assert len(shelf.requests) == 8
    report = examine(folder, config="aerial")
    assert report.ok, str(report)
    assert report.counts["pairs"] == 4
    config = preset("aerial")
    for split, part in (("train", "001"), ("val", "009")):
        scenes = FolderDataset(folder, config=config, split=split).scenes
        assert [scene.key for scene in scenes] == [f"tile_{t}_part_{part}" for t in TILES]
    labels = np.asarray(Image.open(folder / "train/labels/tile_1_part_001.png"))
    assert [labels[8 + row * 35 // 2, 0] for row in range(8)] == [0, 1, 2, 3, 4, 0, 255, 255]
    assert json.loads((folder / "classes.json").read_text())["classes"] == list(aerial.COLOURS)
    assert "CC0" in said[0]
    assert "CC0" in (folder / LICENCE).read_text()
    assert said[-1].endswith(f"ecgan doctor {folder} --config aerial")
    assert not (folder / HALF_FETCHED).exists()


def test_a_second_fetch_asks_and_changes_nothing(shelf, served, said, tmp_path):
    fetch("aerial", tmp_path / "d", source=served, say=said.append)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")}
    shelf.requests.clear()
    fetch("aerial", tmp_path / "d", source=served, say=said.append)
    assert shelf.requests == []
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")} == before


def test_half_a_fetch_is_said_by_doctor_and_training_and_goes_on(
    shelf, served, said, tmp_path, capsys
):
    folder, lost = tmp_path / "d", quote(served.files[5].name)
    content = shelf.files.pop(lost)
    with pytest.raises(FetchError, match=r"image_part_.* could not be fetched: .*404"):
        fetch("aerial", folder, source=served, say=said.append)
    assert main(["doctor", str(folder)]) == 2
    assert "is only half fetched: run ecgan fetch with it again" in capsys.readouterr().err
    with pytest.raises(FolderError, match="half fetched"):
        FolderDataset(folder, config=preset("aerial"))
    shelf.files[lost] = content
    shelf.requests.clear()
    fetch("aerial", folder, source=served, say=said.append)
    assert [name for name, _ in shelf.requests] == [quote(f.name) for f in served.files[5:]]
    assert examine(folder, config="aerial").ok


def test_a_file_that_breaks_off_is_resumed(shelf, served, said, tmp_path):
    shelf.cut_after = [100]
    fetch("aerial", tmp_path / "d", source=served, say=said.append)
    assert shelf.requests[1][1] == "bytes=100-"
    assert not list((tmp_path / "d").rglob("*.part"))


def test_a_damaged_file_is_fetched_anew(shelf, served, said, tmp_path):
    folder = fetch("aerial", tmp_path / "d", source=served, say=said.append)
    damaged = folder / "published" / served.files[2].name
    damaged.write_bytes(damaged.read_bytes()[:-1])
    shelf.requests.clear()
    fetch("aerial", folder, source=served, say=said.append)
    assert [name for name, _ in shelf.requests] == [quote(served.files[2].name)]


def test_a_mirror_is_taken_instead_of_the_network(copy, said, tmp_path):
    first = fetch("aerial", tmp_path / "a", source=source_of(copy), mirror=copy, say=said.append)
    # What was fetched is a mirror itself.
    second = fetch("aerial", tmp_path / "b", source=source_of(copy), mirror=first, say=said.append)
    for path in (first / "val").rglob("*.png"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_mirrors_that_lack_something_or_hold_something_else(copy, said, tmp_path):
    source, folder = source_of(copy), tmp_path / "d"
    with pytest.raises(FetchError, match=r"there is no folder .*nowhere; name one"):
        fetch("aerial", folder, source=source, mirror=tmp_path / "nowhere", say=said.append)
    mask = copy / "Tile 2/masks/image_part_009.png"
    mask.write_bytes(mask.read_bytes() + b"1")
    with pytest.raises(FetchError, match=r"part_009.png has SHA-256 \w+\.\.\., published is"):
        fetch("aerial", folder, source=source, mirror=copy, say=said.append)
    mask.unlink()
    with pytest.raises(FetchError, match=r"lacks Tile 2/masks/image_part_009.png; .*all 8 files"):
        fetch("aerial", folder, source=source, mirror=copy, say=said.append)


@pytest.mark.parametrize("kind", ["archives", "unpacked"])
def test_a_mirror_serves_the_data_sets_in_archives_too(kind, shelf, said, tmp_path):
    shelf.files = {"base.zip": facades("base", 3), "extended.zip": facades("extended", 2)}
    published = SOURCES["facades"]
    counts = dict(zip(published.counts, (3, 3, 2, 2)))
    hashes = [hashed(content) for content in shelf.files.values()]
    archives = tuple(
        replace(archive, urls=(shelf.url(name),), sha256=sha256)
        for archive, name, sha256 in zip(published.archives, shelf.files, hashes)
    )
    source, mirror = replace(published, archives=archives, counts=counts), tmp_path / "mirror"
    if kind == "archives":
        mirror.mkdir()
        for archive, content in zip(archives, shelf.files.values()):
            (mirror / archive.name).write_bytes(content)
    else:
        fetch("facades", mirror, source=source, say=said.append)
    shelf.requests.clear()
    for _ in range(2):
        folder = fetch("facades", tmp_path / "d", source=source, mirror=mirror, say=said.append)
    assert shelf.requests == []
    assert examine(folder).counts["pairs"] == 5
    assert kind == "unpacked" or (mirror / archives[0].name).is_file(), "the copy stays"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FetchError, match=r"holds neither CMP_\w+.zip nor the unpacked data set"):
        fetch("facades", tmp_path / "e", source=source, mirror=empty, say=said.append)


def test_a_colour_that_is_no_class_is_named_with_its_place_and_the_nearest():
    mask = painted([0, 1, 2])
    mask[7, 5] = (0x3D, 0x12, 0x97)
    mask[90, 3] = (1, 1, 1)
    said_ = (
        r"m.png has the colour #3D1297 at row 7, column 5, which is no class; the nearest is "
        r"building, #3C1098. 2 pixels"
    )
    with pytest.raises(FetchError, match=said_):
        aerial.ids_of(mask, "m.png")


def test_masks_of_another_size_or_damaged_are_named(copy):
    image, mask = (copy / f"Tile 1/{kind}_part_001" for kind in ("images/image", "masks/image"))
    image, mask = image.with_suffix(".jpg"), mask.with_suffix(".png")
    save(painted([0], (139, 130)), mask)
    with pytest.raises(FetchError, match=r"masks/image_part_001.png is 130 x 139 .* 130 x 140"):
        aerial.read_pair(image)
    mask.write_bytes(mask.read_bytes()[:60])
    with pytest.raises(FetchError, match=r"masks/image_part_001.png"):
        aerial.read_pair(image)


def test_a_wrong_mask_leaves_no_half_made_parts(copy, said, tmp_path):
    save(painted([0], (139, 130)), copy / "Tile 2/masks/image_part_009.png")
    with pytest.raises(FetchError, match="they must be equal"):
        fetch("aerial", tmp_path / "d", source=source_of(copy), mirror=copy, say=said.append)
    assert not (tmp_path / "d/train").exists()
    assert not (tmp_path / "d/val").exists()


def test_gains_take_the_cast_and_nothing_else(copy):
    found = aerial.gains(copy)
    evened = {}
    for tile in TILES:
        pixels, ids = aerial.read_pair(copy / f"Tile {tile}/images/image_part_001.jpg")
        mean = (pixels * found[str(tile)])[np.isin(ids, aerial.EVEN)].mean(0)
        evened[tile] = mean / mean.mean()
    assert np.allclose(evened[1], evened[2], atol=0.02)
    raw = aerial.read_pair(copy / "Tile 2/images/image_part_001.jpg")[0]
    assert (aerial.balance(raw, found["2"])[raw == 0] == 0).all()
    assert aerial.balance(np.uint8([[[250, 10, 10]]]), np.array([1.1, 1.0, 0.95])).tolist() == [
        [[255, 10, 10]]
    ]


def test_held_out_parts_have_no_say_in_the_gains(copy):
    before = aerial.gains(copy)
    save(photo(9, SIZE), copy / "Tile 1/images/image_part_009.jpg")
    assert all((gain == before[tile]).all() for tile, gain in aerial.gains(copy).items())


def test_the_list_of_files_is_whole():
    files = aerial.files()
    assert len({file.name for file in files}) == 144
    assert len({file.sha256 for file in files}) == 144
    assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in files)
    assert {aerial.NAME.fullmatch(f.name).groups() for f in files if f.name.endswith("jpg")} == {
        (str(tile), f"{part:03}") for tile in range(1, 9) for part in range(1, 10)
    }
    assert all(aerial.COMMIT in file.urls[0] and " " not in file.urls[0] for file in files)


def test_the_command_takes_a_mirror(copy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetching, "SOURCES", {"aerial": source_of(copy)})
    command = ["fetch", "aerial", str(tmp_path / "d"), "--mirror"]
    assert main([*command, str(copy)]) == 0
    assert "8 files, hashes verified" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
