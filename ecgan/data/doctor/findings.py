r"""From what the doctor met in single files to findings about the whole folder."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecgan.data.doctor.examination import Facts
from ecgan.data.doctor.numbering import MINUS_ONE, advice, mask_value
from ecgan.data.doctor.report import Finding, Histogram
from ecgan.data.folders.conventions import CONVENTIONS, Convention
from ecgan.data.folders.scenes import Trouble
from ecgan.method.layouts import IGNORE

USUAL_CURE = "; fetch or export it again"
MESSAGES = {
    "images without labels": "no label file of the same name; add it, or delete the image",
    "labels without images": "no image of the same name; add it, or delete the label file",
    "doubled names": "two files claim one scene; keep one of them",
    "unreadable files": "they end too early or are no pictures of this kind; fetch or export "
    "them again",
    "colour labels": "a label map holds ids, not colours; convert it with "
    "ecgan.method.layouts.from_colors and your palette",
    "sizes that differ": "each file of a scene must have its image's size (width x height)",
    "pictures smaller than a crop": "this config cuts crops out of larger pictures; "
    "leave these out, or cut at a larger scale",
    "missing instances": "this config needs an instance map for each scene; add them, or set "
    "--model.no-instance-boundaries",
}


@dataclass(frozen=True, kw_only=True)
class Expected:
    r"""What the label files should hold; ``dont_care`` is None where nobody said it."""

    convention: Convention
    classes: int
    dont_care: bool | None

    @property
    def limits(self) -> dict:
        r"""What the numbering is asked with."""
        return {"classes": self.classes, "dont_care": self.dont_care is not False}

    def allows(self, value: int) -> bool:
        r"""Whether a label file may hold this value."""
        return self.convention.allows(value, **self.limits)

    def rule(self) -> str:
        r"""The allowed values in words."""
        return self.convention.rule(**self.limits)


def _finding(root: Path, kind: str, message: str, trouble: list[Trouble]) -> Finding:
    names = [one.path.relative_to(root).as_posix() for one in trouble]
    # The usual thing to do stands in the message; a file's own line says what was met, and what
    # else helps there.
    texts = [one.text.removeprefix(f"{one.path} ").removesuffix(USUAL_CURE) for one in trouble]
    details = tuple(f"{name}: {text}" if text else name for name, text in zip(names, texts))
    return Finding(level="error", kind=kind, message=message, files=tuple(names), details=details)


def grouped(root: Path, trouble: Iterable[Trouble]) -> list[Finding]:
    r"""One finding for each kind of trouble."""
    kinds: dict[str, list[Trouble]] = {}
    for one in trouble:
        kinds.setdefault(one.kind, []).append(one)
    return [_finding(root, kind, MESSAGES[kind], kinds[kind]) for kind in MESSAGES if kind in kinds]


def out_of_range(root: Path, facts: list[Facts], expected: Expected) -> list[Finding]:
    r"""The finding about values that are not allowed, if there are any."""
    trouble = []
    for one in facts:
        words = [
            f"label {value} ({one.pixels[value]} pixels, first at row {row}, column {column})"
            for value, (row, column) in sorted(one.first.items())
        ]
        if words:
            more = f" and {len(words) - 3} more" if len(words) > 3 else ""
            text = ", ".join(words[:3]) + more
            trouble.append(Trouble("ids out of range", one.scene.label, text))
    message = f"allowed are {expected.rule()}"
    return [_finding(root, "ids out of range", message, trouble)] if trouble else []


def numbering(facts: list[Facts], expected: Expected) -> list[Finding]:
    r"""Findings about how the ids seem to be numbered, a warning where all are allowed still."""
    pixels = sum((Counter(one.pixels) for one in facts), Counter())
    convention, special = expected.convention, dict(expected.convention.special)
    if convention.first:
        pixels = Counter({value: n for value, n in pixels.items() if value in MINUS_ONE})
    pixels = Counter({value: n for value, n in pixels.items() if value not in special})
    wrong = any(not expected.allows(value) for value in pixels)
    mask = mask_value(pixels, expected.classes)
    wrong |= mask is not None and not expected.dont_care
    return [
        Finding(level="error" if wrong else "warning", kind="label convention", message=text)
        for text in advice(pixels, classes=expected.classes, dont_care=expected.dont_care)
    ]


def histogram(facts: list[Facts], expected: Expected, names: Mapping[int, str]) -> Histogram:
    r"""Pixels and files by class id; values that are not allowed do not count."""
    pixels, files = Counter(), Counter()
    for one in facts:
        known = Counter()
        for value, count in one.pixels.items():
            if value not in one.first:
                known[expected.convention.class_of(value)] += count
        pixels.update(known)
        files.update(known.keys())
    return Histogram(
        pixels=pixels,
        files=files,
        names={IGNORE: "don't care"} | dict(names),
        classes=expected.classes,
    )


def unknown_layout(root: Path) -> Finding:
    r"""The finding about a folder in which nothing is recognised."""
    places = [
        (one.title, *(part.folder.format(split=one.folder_of("train")) for part in kinds))
        for one in CONVENTIONS.values()
        for kinds in [(one.images, one.labels)]
    ]
    known = ", ".join(
        f"{images}/ and {labels}/ ({title})" if images != labels else f"{images}/ ({title})"
        for title, images, labels in reversed(places)
    )
    met = "there are no folders of images and labels in it" if root.is_dir() else "no such folder"
    return Finding(level="error", kind="folder", message=f"{met}; known layouts are {known}")


def empty_folder(convention: Convention) -> Finding:
    r"""The finding about a folder without a single pair."""
    word = convention.folder_of("train")
    images, labels = (
        part.folder.format(split=word) for part in (convention.images, convention.labels)
    )
    message = f"not one image with its label; put images into {images}/, labels of the same name "
    return Finding(level="error", kind="empty folder", message=f"{message}into {labels}/")
