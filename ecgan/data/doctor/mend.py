r"""A corrected copy of a folder, where the mend needs no judgement: ``ecgan doctor --fix``."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from einops import rearrange
from jaxtyping import Integer

from ecgan.data.doctor.examination import count_ids
from ecgan.data.doctor.numbering import mask_value, starts_at_one, zero_is_more
from ecgan.data.folders.classes import FILE, decide_classes, read_classes
from ecgan.data.folders.conventions import ANY_FOLDER, FolderError
from ecgan.data.folders.labels import read_ids
from ecgan.data.folders.photographs import read_picture
from ecgan.data.folders.scenes import list_scenes
from ecgan.errors import EcganError
from ecgan.files.pictures import as_png
from ecgan.files.whole import try_place, write_file
from ecgan.method.layouts import IGNORE
from ecgan.presets import preset

AS_IT_IS = (".png", ".jpg", ".jpeg")
Ids = Integer[np.ndarray, "h w"]


def _place(folder: Path, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FolderError(f"{out} is there and not empty; name a folder that is not there yet")
    if out.resolve().is_relative_to(folder.resolve()):
        raise FolderError(f"{out} lies in {folder}; name a folder beside it")
    if not (folder / "images").is_dir() or not (folder / "labels").is_dir():
        raise FolderError(
            f"{folder} does not hold images/ and labels/; published data sets are not mended, "
            f"fetch them again"
        )
    try_place(out / FILE)


def _renumbered(ids: list[Ids], classes: int) -> tuple[Callable[[Ids], Ids], str]:
    r"""How to write the values of label files anew, told from all of them, and a word for it."""
    pixels: dict[int, int] = {}
    for values in ids:
        for value, count in count_ids(values).items():
            pixels[value] = pixels.get(value, 0) + count
    mask = mask_value(pixels, classes)
    if mask is not None:
        return lambda values: (values == mask).astype(np.int64), f"{mask} became 1"
    if starts_at_one(pixels, classes) or zero_is_more(pixels, classes):

        def lowered(values: Ids) -> Ids:
            return np.where((values == 0) | (values == IGNORE), IGNORE, values.astype(np.int64) - 1)

        return lowered, f"lowered by one, 0 became {IGNORE}"
    return lambda values: values, ""


def mend(folder: Path, out: Path) -> list[str]:
    r"""Write a corrected copy of ``folder`` (images/ and labels/) to ``out``; says what was done.

    Photographs are upright and of 8 bits, labels 8-bit PNG of ids from 0, {0, 255} is {0, 1},
    endings and the Unicode form of names are the usual ones. What cannot be read is left out, with
    its partner, and said. ``folder`` stays as it is. Raises :class:`FolderError` for an ``out``
    that holds something.
    """
    _place(folder, out)
    classes = decide_classes(preset("toy"), folder).config.model.classes
    listing, said, labels = list_scenes(folder, ANY_FOLDER, "train"), [], {}
    for scene in listing.scenes:
        try:
            labels[scene.key] = read_ids(scene.label)
        except EcganError as error:
            said.append(f"left out: {error}")
    renumber, word = _renumbered(list(labels.values()), classes)
    for scene in (one for one in listing.scenes if one.key in labels):
        try:
            said += _write_image(scene.image, out / "images" / scene.key)
        except EcganError as error:
            said.append(f"left out: {error}")
            continue
        values = renumber(labels[scene.key])
        kind = np.uint8 if values.min() >= 0 and values.max() <= IGNORE else np.uint16
        write_file(out / "labels" / f"{scene.key}.png", as_png(values.astype(kind)))
        if scene.instance is not None:
            write_file(out / "instances" / f"{scene.key}.png", as_png(read_ids(scene.instance)))
    names = read_classes(folder)
    if names is not None:
        content = json.dumps({"classes": names}, ensure_ascii=False, indent=2)
        write_file(out / FILE, (content + "\n").encode())
    said += [f"left out: {one.path} ({one.kind})" for one in listing.trouble]
    return ([f"labels: {word}"] if word else []) + said


def _write_image(path: Path, place: Path) -> list[str]:
    r"""Copy a photograph that every reader shows alike, or write it anew as PNG."""
    from PIL import Image

    pixels = read_picture(path)
    with Image.open(path) as image:
        plain = image.mode in ("RGB", "L") and image.getexif().get(0x0112, 1) == 1
    if plain and path.suffix.lower() in AS_IT_IS:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place.parent / f"{place.name}{path.suffix.lower()}")
        return []
    write_file(
        place.parent / f"{place.name}.png", as_png(rearrange(pixels, "c h w -> h w c").numpy())
    )
    return [f"{path.name}: upright, 8 bits, as PNG"]
