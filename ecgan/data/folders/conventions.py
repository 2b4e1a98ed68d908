r"""How data sets lie on disk and number their classes: a frozen dataclass each (chapter 01)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ecgan.method.layouts import IGNORE, NEXT_STEP

HALF_FETCHED = ".half-fetched"  # stands in a folder that ecgan fetch has begun and not ended
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
Split = Literal["train", "val"]


class FolderError(ValueError):
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
        r"""Files by key, sorted; several files may claim one key. Hidden files do not count."""
        top, found = root / self.folder.format(split=split), {}
        for folder, subfolders, names in os.walk(top):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                stem, suffix = os.path.splitext(name)
                right = suffix.lower() in self.suffixes and stem.endswith(self.ending)
                if right and not name.startswith("."):
                    path = Path(folder, name)
                    key = path.relative_to(top).as_posix()[: -len(self.ending + suffix)]
                    found.setdefault(key, []).append(path)
        return dict(sorted(found.items()))


@dataclass(frozen=True, kw_only=True)
class Convention:
    r"""A data set's official layout and numbering.

    A file's value ``first`` is class 0, the next one class 1, and so on; ``special`` maps values
    that are none of these, such as "other", to class ids or to 255 (don't care).
    """

    name: str
    title: str
    images: Files
    labels: Files
    instances: Files | None = None
    edges: Files = Files(folder="edges/{split}")
    splits: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    first: int = 0
    special: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    def folder_of(self, split: str) -> str:
        r"""The convention's own word for "train" or "val"."""
        return self.splits.get(split, split)

    def class_of(self, value: int) -> int:
        r"""The class id, or 255 for don't care, that a value in a label file stands for."""
        return self.special.get(value, value - self.first)

    def allows(self, value: int, *, classes: int, dont_care: bool) -> bool:
        r"""Whether a model of ``classes`` can read this value of a label file."""
        known = self.class_of(value)
        ignored = known == IGNORE and (value in self.special or value == IGNORE)
        return dont_care if ignored else 0 <= known < classes

    def rule(self, *, classes: int, dont_care: bool) -> str:
        r"""The values that a label file may hold, in words."""
        last = self.first + classes - 1
        words = [f"{self.first} to {last} for {classes} classes"]
        words += [
            f"{value} for " + ("don't care" if known == IGNORE else f"class {known}")
            for value, known in self.special.items()
            if dont_care or known != IGNORE
        ]
        if dont_care and IGNORE not in self.special.values():
            words.append(f"{IGNORE} for don't care")
        return ", ".join(words)

    def wrong_label(self, value: int, source: str, *, classes: int, dont_care: bool) -> str:
        r"""What to tell who has a label file with a value that is not allowed."""
        rule = self.rule(classes=classes, dont_care=dont_care)
        return f"label {value} in {source}; allowed are {rule}; {NEXT_STEP}"


def _table(**entries: str) -> Mapping[str, str]:
    return MappingProxyType(entries)


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
            special=MappingProxyType({-1: 34, IGNORE: 34, 65535: 34}),
        ),
        "ade20k": Convention(
            name="ade20k",
            title="ADE20K",
            images=Files(folder="images/{split}", suffixes=(".jpg",)),
            labels=Files(folder="annotations/{split}"),
            splits=_table(train="training", val="validation"),
            # 0 is "other": label - 1 makes it -1, which becomes don't care [R].
            first=1,
            special=MappingProxyType({0: IGNORE}),
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
