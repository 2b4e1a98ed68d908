r"""Photographs as cameras, scanners and telephones write them: read as a viewer shows them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, PngImagePlugin

from ecgan.data.doctor.examine import examine
from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.photographs import examined_size, picture_size, read_picture
from support.scenes_on_disk import blocks, photo, save, write

RAMP = np.add.outer(np.arange(6) * 50, np.arange(4))  # 0 to 253, no two rows or columns alike


def pixels(path: Path, mode: str = "RGB") -> np.ndarray:
    return np.moveaxis(read_picture(path, mode).numpy(), 0, -1)


def as_grey(path: Path) -> np.ndarray:
    r"""The one plane of a picture whose three are equal."""
    found = pixels(path)
    assert (found == found[..., :1]).all()
    assert np.array_equal(pixels(path, "L")[..., 0], found[..., 0])
    return found[..., 0]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_their_whole_range(tmp_path, ending):
    path = save((RAMP * 257).astype(np.uint16), tmp_path / f"a.{ending}")
    assert np.array_equal(as_grey(path), RAMP)
    dark = save((RAMP * 16).astype(np.uint16), tmp_path / f"dark.{ending}")
    assert as_grey(dark).max() == round(253 * 16 / 257), "not stretched: a viewer shows it dark"


@pytest.mark.parametrize(
    ("kind", "factor"), [(np.float32, 1 / 255), (np.float32, 1), (np.int32, 1), (np.int32, 257)]
)
def test_floats_and_wide_numbers_whose_white_is_known(tmp_path, kind, factor):
    path = save((RAMP * np.float64(factor)).astype(kind), tmp_path / "a.tif")
    assert np.array_equal(as_grey(path), RAMP)


@pytest.mark.parametrize(
    ("values", "met"),
    [
        (np.float32([[-3, 1]]), "32-bit floats from -3.0 to 1.0"),
        (np.float32([[0, 4000]]), "32-bit floats from 0.0 to 4000.0"),
        (np.float32([[0, np.nan]]), "32-bit floats from nan"),
        (np.int32([[0, 70000]]), "32-bit numbers from 0 to 70000"),
        (np.int32([[-1, 200]]), "32-bit numbers from -1 to 200"),
    ],
)
def test_values_whose_white_nobody_knows_are_refused_by_name(tmp_path, values, met):
    path = save(values, tmp_path / "odd.tif")
    with pytest.raises(FolderError, match=rf"odd.tif holds {met}.*; a photograph's run from 0 to"):
        read_picture(path)


@pytest.mark.parametrize("flag", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_the_flag_of_a_telephone_turns_the_picture(tmp_path, flag, ending):
    upright = np.zeros((24, 40), np.uint8)
    upright[:8, :16] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[flag]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = flag
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.ascontiguousarray(stored)).convert("RGB").save(path, exif=exif)
    assert np.abs(as_grey(path).astype(int) - upright).mean() < 4
    assert picture_size(path) == examined_size(path) == upright.shape


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_flag_turns_nothing(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo(0)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert picture_size(path) == photo(0).shape[:2]
    assert read_picture(path).shape[1:] == photo(0).shape[:2]


def test_what_is_transparent_shows_white_and_half_of_it_is_mixed(tmp_path):
    opaque, half, clear = ([10, 20, 30, alpha] for alpha in (255, 51, 0))
    path = save(np.uint8([[opaque, half, clear]]), tmp_path / "a.png")
    assert pixels(path).tolist() == [[[10, 20, 30], [206, 208, 210], [255, 255, 255]]]
    grey = save(np.uint8([[[10, 255], [10, 0]]]), tmp_path / "la.png")
    assert as_grey(grey).tolist() == [[10, 255]]
    palette = Image.fromarray(np.uint8([[0, 1]]), mode="P")
    palette.putpalette([9, 8, 7, 200, 100, 50])
    palette.save(tmp_path / "p.png", transparency=1)
    assert pixels(tmp_path / "p.png").tolist() == [[[9, 8, 7], [255, 255, 255]]]


def test_palettes_two_levels_and_print_colours(tmp_path):
    palette = Image.fromarray(np.uint8([[0, 1]]), mode="P")
    palette.putpalette([9, 8, 7, 200, 100, 50])
    palette.save(tmp_path / "p.png")
    assert pixels(tmp_path / "p.png").tolist() == [[[9, 8, 7], [200, 100, 50]]]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "1.png")
    assert as_grey(tmp_path / "1.png").tolist() == [[255, 0]]
    Image.new("CMYK", (2, 1), (0, 255, 255, 0)).save(tmp_path / "c.tif")
    assert pixels(tmp_path / "c.tif").tolist() == [[[255, 0, 0]] * 2]
    assert pixels(tmp_path / "c.tif", "L").shape == (1, 2, 1)


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def with_chunk(path: Path, kind: bytes, content: bytes) -> Path:
    r"""A PNG file with one more chunk after its head."""
    file = io.BytesIO()
    Image.fromarray(photo(0)).save(file, "PNG")
    whole = file.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole[:33] + chunk(kind, content) + whole[33:])
    return path


LARGE = zlib.compress(bytes(2 * PngImagePlugin.MAX_TEXT_CHUNK))
TROUBLES = {
    "large profile": (b"iCCP", b"p\0\0" + LARGE),
    "large text": (b"zTXt", b"Comment\0\0" + LARGE),
    "short gamma": (b"pHYs", b"\0"),
}


@pytest.mark.parametrize("kind", TROUBLES)
def test_pillows_exceptions_become_a_sentence_with_the_files_name(tmp_path, kind):
    path = with_chunk(tmp_path / "odd.png", *TROUBLES[kind])
    for read in (read_picture, examined_size):
        with pytest.raises(FolderError, match=r"odd.png "):
            read(path)


def test_a_picture_too_large_is_named_with_size_limit_and_way_out(tmp_path):
    # The head alone promises 15000 x 15000 pixels.
    head = struct.pack(">IIBBBBB", 15000, 15000, 8, 2, 0, 0, 0)
    path = tmp_path / "huge.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    for read in (read_picture, picture_size, examined_size):
        with pytest.raises(FolderError, match=r"huge.png has 225 million .*cut it into t"):
            read(path)


def test_one_bad_photograph_does_not_hide_the_others_from_the_doctor(tmp_path):
    write(tmp_path, "folder", [0, 1])
    with_chunk(tmp_path / "images/b.png", *TROUBLES["large profile"])
    report = examine(tmp_path)
    assert report.of_kind("unreadable files").files == ("images/b.png",)
    assert sum(report.sizes.values()) == 2


def test_the_doctor_judges_sizes_as_a_viewer_shows_them(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    (tmp_path / "images").mkdir()
    Image.fromarray(np.rot90(photo(0)).copy()).save(tmp_path / "images/a.jpg", exif=exif)
    save(blocks([0, 1]), tmp_path / "labels/a.png")
    report = examine(tmp_path)
    assert report.ok, str(report)
    assert list(report.sizes) == [photo(0).shape[:2]]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_ordinary_pictures_are_read_to_the_bit(tmp_path, mode):
    path = save(photo(3), tmp_path / "a.png")
    expected = np.asarray(Image.fromarray(photo(3)).convert(mode))
    found = read_picture(path, mode)
    assert found.dtype == torch.uint8
    assert np.array_equal(np.squeeze(np.moveaxis(found.numpy(), 0, -1)), expected)
