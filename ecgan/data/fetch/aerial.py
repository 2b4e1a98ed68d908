r"""The aerial photographs: where their files lie, and how they become train/ and val/.

Masks are pictures of exact colours and become ids; unlabelled pixels become don't care. Parts 009
of every tile are held out as val/: no part is both trained on and judged. The tiles come from
several sensors and seasons, with a colour cast each; a network without noise would paint their
mean. So each tile's channels are multiplied by a gain, computed here from its training parts and
written to colours.json: afterwards the mean over its buildings, land and roads has the proportions
red : green : blue that the tiles have on average. Brightness, contrast and black stay as they are.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib.resources import files as resources
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import numpy as np
from einops import rearrange
from jaxtyping import Float, UInt8
from PIL import Image
from tqdm import tqdm

from ecgan.data.folders.conventions import FolderError
from ecgan.data.folders.photographs import read_picture
from ecgan.data.plans import CLASSES
from ecgan.files.download import Archive, FetchError
from ecgan.files.progress import quiet
from ecgan.method.layouts import IGNORE

REPOSITORY = "nive927/Dubai-Satellite-Imagery-Multiclass-Segmentation"
COMMIT = "b36fd266e363806d5c530089018fbf46dfd1befe"
PAGE = f"https://github.com/{REPOSITORY}"
TOP = f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}/Semantic segmentation dataset"

EXACT = (0x3C1098, 0x8429F6, 0x6EC1E4, 0xFEDD3A, 0xE2A929)  # of the masks' classes, in order
COLOURS: Mapping[str, int] = MappingProxyType(dict(zip(CLASSES, EXACT, strict=True)))
UNLABELLED = (0x9B9B9B, 0x000000)
EVEN = (0, 1, 2)  # building, land, road: whose mean colour tells a tile's cast
HELD_OUT = "009"
NAME = re.compile(r"Tile (\d+)/images/image_part_(\d+)\.jpg")


def files() -> tuple[Archive, ...]:
    r"""The 144 published files with their addresses and hashes, from the list in the package."""
    listed = resources("ecgan.data.fetch").joinpath("aerial.sha256").read_text().splitlines()
    pairs = [line.split("  ", 1) for line in listed]
    return tuple(
        Archive(name=name, urls=(quote(f"{TOP}/{name}", safe=":/"),), sha256=sha256)
        for sha256, name in pairs
    )


def ids_of(colours: UInt8[np.ndarray, "h w 3"], source: Path | str) -> UInt8[np.ndarray, "h w"]:
    r"""Class ids of a mask in exact colours; 255 where it is unlabelled.

    Raises :class:`FetchError` for a colour that is no class, with its place and the nearest class.
    """
    codes = (colours.astype(np.int64) * (1 << 16, 1 << 8, 1)).sum(-1)
    ids, known = np.full(codes.shape, IGNORE, np.uint8), np.isin(codes, UNLABELLED)
    for label, code in enumerate(COLOURS.values()):
        ids[codes == code] = label
        known |= codes == code
    if not known.all():
        row, column = np.argwhere(~known)[0]
        met = int(codes[row, column])
        names = {**COLOURS, "unlabelled": UNLABELLED[0]}
        nearest = min(names, key=lambda name: _apart(names[name], met))
        raise FetchError(
            f"{source} has the colour #{met:06X} at row {row}, column {column}, which is no class; "
            f"the nearest is {nearest}, #{names[nearest]:06X}. {int((~known).sum())} pixels have "
            f"such colours: was the mask saved as JPEG, or resized with interpolation?"
        )
    return ids


def _apart(one: int, other: int) -> int:
    return sum(((one >> shift & 255) - (other >> shift & 255)) ** 2 for shift in (0, 8, 16))


def read_pair(image: Path) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    r"""A published photograph and its ids. Raises :class:`FetchError`."""
    mask = image.parent.parent / "masks" / f"{image.stem}.png"
    try:
        photo, colours = (
            rearrange(read_picture(path).numpy(), "c h w -> h w c") for path in (image, mask)
        )
    except FolderError as error:
        raise FetchError(str(error)) from error
    if photo.shape != colours.shape:
        raise FetchError(
            f"{mask} is {colours.shape[1]} x {colours.shape[0]} pixels (width x height), its image "
            f"{photo.shape[1]} x {photo.shape[0]}; they must be equal: delete both and fetch again"
        )
    return photo, ids_of(colours, mask)


def _parts(published: Path) -> Iterator[tuple[str, str, Path]]:
    for path in sorted(published.glob("Tile */images/*.jpg")):
        tile, part = NAME.fullmatch(path.relative_to(published).as_posix()).groups()
        yield tile, part, path


def gains(published: Path) -> dict[str, Float[np.ndarray, "3"]]:
    r"""What each tile's red, green and blue are multiplied by, from its training parts."""
    sums: dict[str, np.ndarray] = {}
    for tile, part, path in tqdm(list(_parts(published)), "colours", disable=quiet()):
        if part != HELD_OUT:
            photo, ids = read_pair(path)
            pixels = photo[np.isin(ids, EVEN)]
            counted = np.array([*pixels.sum(0, dtype=np.float64), len(pixels)])
            sums[tile] = sums.get(tile, 0) + counted
    means = {tile: counted[:3] / counted[3] for tile, counted in sums.items()}
    casts = {tile: mean / mean.mean() for tile, mean in means.items()}
    usual = np.mean(list(casts.values()), axis=0)
    return {tile: usual / cast for tile, cast in casts.items()}


def balance(
    photo: UInt8[np.ndarray, "h w 3"], gain: Float[np.ndarray, "3"]
) -> UInt8[np.ndarray, "h w 3"]:
    r"""A photograph without its tile's cast: levels times the gain, rounded, 0 to 255."""
    return np.clip(np.rint(photo * gain), 0, 255).astype(np.uint8)


def prepare(root: Path) -> None:
    r"""Make train/ and val/ (images/ and labels/), classes.json and colours.json from published/.

    The folders appear when they are whole; where they are, nothing is done. Raises
    :class:`FetchError` for a mask that cannot be read.
    """
    if (root / "train").is_dir() and (root / "val").is_dir():
        return
    unfinished = root / ".unfinished-parts"
    shutil.rmtree(unfinished, ignore_errors=True)
    found = gains(root / "published")
    for tile, part, path in tqdm(list(_parts(root / "published")), "tiles", disable=quiet()):
        photo, ids = read_pair(path)
        for kind, array in (("images", balance(photo, found[tile])), ("labels", ids)):
            split = "val" if part == HELD_OUT else "train"
            target = unfinished / split / kind / f"tile_{tile}_part_{part}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(target)
    (root / "classes.json").write_text(json.dumps({"classes": list(COLOURS)}, indent=1) + "\n")
    facts = {"formula": "clip(round(level * gain), 0, 255)"}
    facts |= {"gain": {tile: gain.tolist() for tile, gain in found.items()}}
    (root / "colours.json").write_text(json.dumps(facts, indent=1) + "\n")
    for split in ("val", "train"):
        shutil.rmtree(root / split, ignore_errors=True)
        (unfinished / split).rename(root / split)
    unfinished.rmdir()
