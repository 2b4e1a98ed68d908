r"""How data sets lie on disk and number their classes: a frozen dataclass each (chapter 01)."""

import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ecgan.data.folders.numbering import Numbering
from ecgan.errors import EcganError
from ecgan.method.layouts import IGNORE

HALF_FETCHED = ".half-fetched"  # stands in a folder that ecgan fetch has begun and not ended
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
PICTURES += (".jfif", ".jpe", ".gif", ".pgm", ".ppm", ".pnm")
OF_THE_SYSTEM = ("thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", "@eadir")
Split = Literal["train", "val"]


class FolderError(EcganError):
    r"""A folder or a file of a data set that cannot be used; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Files:
    r"""Where one kind of file lies: below ``folder``, named by a key and ``ending``.

    ``{split}`` in ``folder`` stands for the convention's word for "train" or "val". The key is the
    path below the folder without ending and suffix, so that files of one scene share it.
    """

    folder: str
    ending: str = ""
    suffixes: tuple[str, ...] = (".png",)

    def find(self, root: Path, split: str) -> dict[str, list[Path]]:
        r"""Files by key, sorted; several files may claim one key. Hidden files do not count.

        Links are followed. Two ways to write one name in Unicode are one key.
        """
        top, found = root / self.folder.format(split=split), {}
        for path in walk(top):
            stem, suffix = os.path.splitext(path.name)
            if self.reads(suffix) and stem.endswith(self.ending):
                key = path.relative_to(top).as_posix()[: -len(self.ending + suffix)]
                found.setdefault(unicodedata.normalize("NFC", key), []).append(path)
        return dict(sorted(found.items()))

    def reads(self, suffix: str) -> bool:
        r"""Whether files of this suffix count, in small letters or capitals."""
        return suffix.lower() in self.suffixes

    def passed_over(self, root: Path, split: str) -> list[Path]:
        r"""Files that lie there and do not count, hidden ones and the system's left out."""
        top = root / self.folder.format(split=split)
        return [path for path in walk(top) if not self.reads(path.suffix)]


def walk(top: Path, *, _above: tuple[str, ...] = ()) -> Iterator[Path]:
    r"""Files below a folder, sorted, links followed; hidden ones and the system's are left out."""
    real = os.path.realpath(top)
    if real in _above or not top.is_dir():  # a link to a folder above would never end
        return
    with os.scandir(top) as listed:
        entries = sorted((entry.name, entry.is_dir()) for entry in listed)
    for name, is_folder in entries:
        if name.startswith(".") or name.lower() in OF_THE_SYSTEM:
            continue
        if is_folder:
            yield from walk(top / name, _above=(*_above, real))
        else:
            yield top / name


@dataclass(frozen=True, kw_only=True)
class Convention(Numbering):
    r"""A data set's official layout on disk, and its numbering."""

    title: str
    images: Files
    labels: Files
    instances: Files | None = None
    edges: Files = Files(folder="edges/{split}")
    splits: tuple[tuple[str, str], ...] = ()

    def folder_of(self, split: str) -> str:
        r"""The convention's own word for "train" or "val"."""
        return dict(self.splits).get(split, split)


def _table(**entries: str) -> tuple[tuple[str, str], ...]:
    return tuple(entries.items())


ANY_FOLDER = Convention(
    name="folder",
    title="a folder of images/ and labels/",
    images=Files(folder="images", suffixes=PICTURES),
    labels=Files(folder="labels", suffixes=PICTURES),
    instances=Files(folder="instances", suffixes=PICTURES),
    edges=Files(folder="edges", suffixes=PICTURES),
)

CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "facades": Convention(
            name="facades",
            title="CMP facades",
            # 1 is background and 12 shop; image and label lie side by side.
            images=Files(folder="{split}", suffixes=(".jpg",)),
            labels=Files(folder="{split}"),
            splits=_table(train="base", val="extended"),
            first=1,
        ),
        "cityscapes": Convention(
            name="cityscapes",
            title="Cityscapes",
            images=Files(folder="leftImg8bit/{split}", ending="_leftImg8bit"),
            labels=Files(folder="gtFine/{split}", ending="_gtFine_labelIds"),
            instances=Files(folder="gtFine/{split}", ending="_gtFine_instanceIds"),
            # The licence plate's id is -1: the 35th label, wherever a file holds it at all [I].
            special=((-1, 34), (IGNORE, 34), (65535, 34)),
        ),
        "ade20k": Convention(
            name="ade20k",
            title="ADE20K",
            images=Files(folder="images/{split}", suffixes=(".jpg",)),
            labels=Files(folder="annotations/{split}"),
            splits=_table(train="training", val="validation"),
            # 0 is "other": label - 1 makes it -1, which becomes don't care [R].
            first=1,
            special=((0, IGNORE),),
        ),
        "coco_stuff": Convention(
            name="coco_stuff",
            title="COCO-Stuff",
            images=Files(folder="{split}_img", suffixes=(".jpg",)),
            labels=Files(folder="{split}_label"),
            instances=Files(folder="{split}_inst"),
        ),
        "folder": ANY_FOLDER,
        "parts": Convention(
            name="parts",
            title="a folder of train/ and val/, each with images/ and labels/",
            images=Files(folder="{split}/images", suffixes=PICTURES),
            labels=Files(folder="{split}/labels", suffixes=PICTURES),
            instances=Files(folder="{split}/instances", suffixes=PICTURES),
            edges=Files(folder="{split}/edges", suffixes=PICTURES),
        ),
    }
)


def recognise(root: Path) -> Convention | None:
    r"""The convention whose folders of images and labels both exist in ``root``, for any split.

    Raises :class:`FolderError` for a folder that is fetched by half.
    """
    if (root / HALF_FETCHED).is_file():
        raise FolderError(
            f"{root} is only half fetched: run ecgan fetch with it again, which goes on where it "
            f"stopped; or delete {root / HALF_FETCHED} to take what is there"
        )
    for convention in CONVENTIONS.values():
        for split in ("train", "val"):
            word = convention.folder_of(split)
            kinds = (convention.images, convention.labels)
            if all((root / files.folder.format(split=word)).is_dir() for files in kinds):
                return convention
    return None
