r"""Files and commands as the world hands them over: sound ones, then damaged by chance."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

Dice = np.random.Generator
SIZE = (20, 24)  # height, width
EXTREMES = (0, 1, 127, 128, 254, 255)
SIDES = (0, 1, 2, 3, 19, 255, 4096, 13000, 30000, 65535, 2**31 - 1, 2**32 - 1)


def _pixels(kind: str) -> np.ndarray:
    dice = np.random.default_rng(0)
    if kind in ("I;16", "I"):
        return dice.integers(0, 4, SIZE).astype(np.uint16 if kind == "I;16" else np.int32)
    if kind == "F":
        return dice.random(SIZE).astype(np.float32)
    if kind == "1":
        return dice.integers(0, 2, SIZE).astype(bool)
    channels = {"L": (), "P": (), "LA": (2,), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[kind]
    return dice.integers(0, 4 if kind in "LP" else 256, (*SIZE, *channels)).astype(np.uint8)


def _picture(kind: str) -> Image.Image:
    made = Image.fromarray(_pixels(kind).astype(np.uint8) if kind == "P" else _pixels(kind))
    if kind == "P":
        made = made.convert("P")
        made.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0, 9, 9, 9])
    return made if made.mode == kind else made.convert(kind)


def _exif(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = turn, "a phone"
    return exif


def _saved(kind: str, form: str, **more) -> tuple[str, bytes]:
    file = io.BytesIO()
    _picture(kind).save(file, form, **more)
    return form.lower(), file.getvalue()


@cache
def sound() -> tuple[tuple[str, bytes], ...]:
    r"""Sound files, an ending and a content each: every format and mode that is read."""
    text = PngImagePlugin.PngInfo()
    text.add_text("made", "by a tool", zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kinds = ("L", "P", "1", "RGB", "RGBA", "LA", "I;16")
    return (
        *(_saved(kind, "PNG") for kind in kinds),
        _saved("L", "PNG", pnginfo=text, icc_profile=profile),
        _saved("P", "PNG", transparency=1),
        _saved("RGB", "PNG", exif=_exif(6)),
        *(_saved(kind, "JPEG") for kind in ("L", "RGB", "CMYK")),
        _saved("RGB", "JPEG", progressive=True, exif=_exif(8)),
        _saved("RGB", "JPEG", icc_profile=profile),
        *(_saved(kind, "BMP") for kind in ("L", "P", "1", "RGB")),
        *(_saved(kind, "TIFF") for kind in ("L", "P", "1", "RGB", "I;16", "I", "F")),
        _saved("L", "TIFF", compression="tiff_deflate"),
        _saved("RGB", "TIFF", compression="tiff_lzw", exif=_exif(3)),
        _saved("P", "GIF"),
        *(_saved(kind, "PPM") for kind in ("L", "1", "RGB", "I")),
        *(_saved(kind, "WEBP") for kind in ("RGB", "RGBA")),
    )


def _some_bytes(content: bytearray, dice: Dice) -> bytearray:
    for place in dice.integers(0, len(content), dice.integers(1, 12)):
        content[place] = dice.integers(0, 256) if dice.random() < 0.5 else dice.choice(EXTREMES)
    return content


def _head(content: bytearray, dice: Dice) -> bytearray:
    for place in dice.integers(0, min(64, len(content)), dice.integers(1, 4)):
        content[place] = dice.choice(EXTREMES)
    return content


def _cut(content: bytearray, dice: Dice) -> bytearray:
    return content[: dice.integers(0, len(content))]


def _lost(content: bytearray, dice: Dice) -> bytearray:
    start = int(dice.integers(0, len(content)))
    del content[start : start + int(dice.integers(1, 40))]
    return content


def _doubled(content: bytearray, dice: Dice) -> bytearray:
    start = int(dice.integers(0, len(content)))
    piece = content[start : start + int(dice.integers(1, 200))]
    return content[:start] + piece * int(dice.integers(2, 5)) + content[start:]


def _spliced(content: bytearray, dice: Dice) -> bytearray:
    other = sound()[dice.integers(len(sound()))][1]
    return content[: dice.integers(0, len(content))] + other[dice.integers(0, len(other)) :]


def _number(content: bytearray, dice: Dice) -> bytearray:
    r"""Four bytes become a number that a side, a length or an offset may be."""
    place, form = int(dice.integers(0, max(1, len(content) - 4))), dice.choice(["<I", ">I", "<H"])
    side = int(dice.choice(SIDES))
    packed = struct.pack(form, side & (0xFFFF if form == "<H" else 0xFFFFFFFF))
    content[place : place + len(packed)] = packed
    return content


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    r"""The chunks of a PNG, a name and a content each."""
    found, place = [], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def as_chunks(parts: list[tuple[bytes, bytes]]) -> bytes:
    r"""A PNG of these chunks, with the sums that each needs to be believed."""
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        content += struct.pack(">I", len(data)) + name + data
        content += struct.pack(">I", zlib.crc32(name + data))
    return content


def _head_chunk(parts: list, dice: Dice) -> None:
    width, height, *rest = struct.unpack(">IIBBBBB", parts[0][1])
    sides = [int(dice.choice(SIDES)) if dice.random() < 0.4 else side for side in (width, height)]
    rest = [int(dice.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))) if dice.random() < 0.3 else one
            for one in rest]  # fmt: skip
    parts[0] = (parts[0][0], struct.pack(">IIBBBBB", *sides, *rest))


def _lose_chunk(parts: list, dice: Dice) -> None:
    del parts[dice.integers(len(parts))]


def _double_chunk(parts: list, dice: Dice) -> None:
    parts.insert(int(dice.integers(len(parts))), parts[dice.integers(len(parts))])


def _mix_chunks(parts: list, dice: Dice) -> None:
    parts[:] = [parts[place] for place in dice.permutation(len(parts))]


def _damage_chunk(parts: list, dice: Dice) -> None:
    place = int(dice.integers(len(parts)))
    name, data = parts[place]
    parts[place] = (name, bytes(_some_bytes(bytearray(data or b"\0"), dice)))


def _stranger_chunk(parts: list, dice: Dice) -> None:
    name = bytes(dice.choice([b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"tRNS", b"PLTE", b"eXIf",
                              b"gAMA", b"pHYs", b"acTL", b"fcTL", b"xYzW"]))  # fmt: skip
    data = bytes(dice.integers(0, 256, dice.integers(0, 60)).astype(np.uint8))
    if name in (b"zTXt", b"iCCP") and dice.random() < 0.5:  # large once it is unpacked
        data = b"k\0\0" + zlib.compress(bytes(2_000_000))
    parts.insert(int(dice.integers(1, len(parts) + 1)), (name, data))


def _empty_picture(parts: list, dice: Dice) -> None:
    r"""A head that promises millions of pixels, and data that keep the promise in a few bytes."""
    side = int(dice.choice((3000, 9600, 13300, 14000)))
    parts[0] = (parts[0][0], struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    rows = bytes(side + 1) * min(side, 400)
    parts[1:-1] = [(b"IDAT", zlib.compress(rows))]


CHUNKS: tuple[Callable, ...] = (
    _head_chunk, _head_chunk, _lose_chunk, _double_chunk, _mix_chunks, _damage_chunk,
    _stranger_chunk,
)  # fmt: skip
BYTES: tuple[Callable, ...] = (
    _some_bytes, _head, _cut, _lost, _doubled, _spliced, _number, _number,
)  # fmt: skip
LARGE = 0.01  # share of PNGs that become large


def damaged(dice: Dice) -> tuple[str, bytes]:
    r"""An ending and a content: a sound file in one to three ways not what it was."""
    ending, content = sound()[dice.integers(len(sound()))]
    for _ in range(dice.integers(1, 4)):
        parts = chunks(content) if content.startswith(b"\x89PNG") else []
        if len(parts) > 2 and dice.random() < 0.6:
            change = _empty_picture if dice.random() < LARGE else CHUNKS[dice.integers(len(CHUNKS))]
            if change not in (_head_chunk, _empty_picture) or len(parts[0][1]) == 13:
                change(parts, dice)
            content = as_chunks(parts)
        elif content:
            content = bytes(BYTES[dice.integers(len(BYTES))](bytearray(content), dice))
    return ending, content


# Commands: what stands for a value of which kind, and what else slips into a line.
NUMBERS = ("-1", "0", "1", "2", "3", "7", "31", "33", "0.5", "1e-9", "nan", "inf", "-inf", "1e400",
           "", "abc", "１", "0x10", "1_0", "99999999999999999999")  # fmt: skip
TAME = ("-1", "0", "1", "2", "3", "0.5", "nan", "abc", "", "-0")
WORDS = ("", "-", "--", "none", "true", "toy", "toy_segmenter", "aerial_segmenter", "unet",
         "facades", "parts", "segformer:", "é", "海", "a b", "%s", "{}", "*", "\udce9", "x" * 250,
         "--help", "--no", "--model", "--losses.contrast", "--cpu", "--out", "-o", "--config",
         "--data", "--segmenter", "--size", "8x8", "32x32", "256x", "x", "0x0")  # fmt: skip
# What is asked for is done: these take as long as their number says.
LONG = ("--steps", "--minutes", "--accumulate", "--count", "--images", "--workers", "--data.images")


def mistyped(words: list[str], places: list[str], dice: Dice) -> list[str]:
    r"""A command with one to three slips; ``places`` are files and folders that it may name."""
    words = list(words)
    for _ in range(dice.integers(1, 4)):
        slip = dice.integers(8)
        spot = int(dice.integers(1, len(words))) if len(words) > 1 else 0
        option = words[spot - 1] if spot else ""
        if slip == 0 and spot:
            del words[spot]
        elif slip == 1:
            words.insert(spot + 1, words[spot])
        elif slip == 2 and spot > 1:
            words[spot], words[spot - 1] = words[spot - 1], words[spot]
        elif slip == 3:
            words.insert(spot + 1, str(dice.choice(WORDS)))
        elif slip == 4 and words[spot].startswith("--"):
            words[spot] = words[spot][: dice.integers(2, len(words[spot]) + 1)]
        elif spot and not words[spot].startswith("-"):
            pool = TAME if option in LONG else (NUMBERS, WORDS, places, places)[dice.integers(4)]
            words[spot] = str(pool[dice.integers(len(pool))])
    return words
