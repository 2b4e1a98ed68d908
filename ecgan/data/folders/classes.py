r"""The one reader of classes.json, and how many classes a model takes, said with the reason why."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ecgan.config import Config
from ecgan.data.folders.conventions import CONVENTIONS, FolderError, recognise
from ecgan.method.layouts import IGNORE
from ecgan.presets import PRESETS

FILE = "classes.json"
FORM = 'write {"classes": ["sky", "road", ...]}'
LIKE_IT = ("classes.txt", "classes.csv", "labels.txt", "class_names.txt", "Classes.json")


class ClassesError(FolderError):
    r"""A classes.json from which the classes cannot be told."""


class Decision(NamedTuple):
    r"""A config with the classes to take, their names where known, and a sentence that says why."""

    config: Config
    names: tuple[str, ...]
    why: str


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        # Windows' editors begin files with a byte order mark, of 8 or of 16 bits.
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClassesError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8") from error


def _content(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ClassesError(f"{path} is no JSON ({error}): {FORM}") from error


def _numbered(path: Path, named: dict) -> list:
    r"""Names in the order of their numbers, from {"sky": 0} or from {"0": "sky"}."""
    backwards = all(_is_number(key) for key in named)
    pairs = [(key, name) if backwards else (name, key) for key, name in named.items()]
    odd = [number for number, _ in pairs if not _is_number(number)]
    if odd:
        raise ClassesError(f"{path} numbers a class {odd[0]!r:.40}, no whole number: {FORM}")
    pairs = sorted(((int(number), name) for number, name in pairs), key=lambda pair: pair[0])
    numbers = [number for number, _ in pairs]
    for expected, number in enumerate(numbers):
        if number != expected:
            reason = f"has {number} where {expected} comes next"
            if numbers == list(range(1, len(numbers) + 1)):
                reason = "begins with 1: subtract 1 from them, and from the label files"
            raise ClassesError(
                f"{path} numbers its classes {numbers[0]} to {numbers[-1]} and {reason}; the "
                f"numbers are those in the label files, 0, 1, 2 and so on, none left out"
            )
    return [name for _, name in pairs]


def _is_number(thing: object) -> bool:
    whole = isinstance(thing, int) and not isinstance(thing, bool)
    return whole or (isinstance(thing, str) and thing.isdecimal())


def _names(path: Path, content: Any) -> list:
    if isinstance(content, dict) and "classes" in content:
        content = content["classes"]
    elif isinstance(content, dict) and "names" in content:
        content = content["names"]
    if isinstance(content, dict) and content:
        content = _numbered(path, content)
    if not isinstance(content, list):
        kind = "a word" if isinstance(content, str) else f"a {type(content).__name__}"
        raise ClassesError(f"{path} holds {kind} ({content!r:.40}), not a list of names: {FORM}")
    described = all(isinstance(one, dict) and {"id", "name"} <= one.keys() for one in content)
    if content and described:
        return _numbered(path, {one["name"]: one["id"] for one in content})
    return content


def classes_file(root: Path) -> Path:
    r"""Where a folder's classes.json lies, or would: in it, or in its part for training."""
    inside = root / "train" / FILE
    return inside if inside.is_file() and not (root / FILE).is_file() else root / FILE


def read_classes(root: Path) -> tuple[str, ...] | None:
    r"""The names of classes 0, 1, 2... by a folder's classes.json; None where there is none.

    A list of names, alone or as "classes"; or a mapping that numbers them. Raises
    :class:`ClassesError` for anything else, and for more than 255 classes.
    """
    path = classes_file(root)
    if not path.is_file():
        return None
    names = _names(path, _content(path))
    odd = [name for name in names if not isinstance(name, str) or not name.strip()]
    if odd or not names:
        met = f"{odd[0]!r:.40} among its names" if odd else "no name"
        raise ClassesError(f"{path} holds {met}: {FORM}")
    if len(names) > IGNORE:
        raise ClassesError(
            f"{path} names {len(names)} classes; allowed are up to {IGNORE}, because label maps "
            f"are 8-bit files in which {IGNORE} means don't care: join rare classes"
        )
    return tuple(names)


def decide_classes(config: Config, root: Path | None) -> Decision:
    r"""As many classes as the folder's classes.json names, unless the config was told otherwise.

    A folder of one's own has no preset: where the number of classes is still the preset's, the
    folder decides. ``root`` is None for the toy world. Raises :class:`ClassesError`.
    """
    usual, count = PRESETS.get(config.data.name), config.model.classes
    if root is None:
        return Decision(config, (), f"{count} classes of the toy world")
    names, file = read_classes(root), classes_file(root)
    told = usual is None or count != usual.model.classes
    if names is None:
        return Decision(config, (), _without_file(root, config, told=told))
    if len(names) == count:
        return Decision(config, names, f"{count} classes, as {file} says")
    if told:
        why = f"{count} classes, as --model.classes says; {file} names {len(names)}"
        return Decision(config, names, why)
    model = replace(config.model, classes=len(names))
    return Decision(replace(config, model=model), names, f"{len(names)} classes, as {file} says")


def _without_file(root: Path, config: Config, *, told: bool) -> str:
    r"""Which classes are taken where no file names them."""
    count, name = config.model.classes, config.data.name
    if told:
        return f"{count} classes, as --model.classes says; there is no {root / FILE}"
    convention = recognise(root)
    if name in CONVENTIONS and convention is not None and convention.name == name:
        return f"{count} classes, as {convention.title} has"
    like = [other for other in LIKE_IT if (root / other).is_file()]
    met = f" ({like[0]} is not read)" if like else ""
    return (
        f"{count} classes, as the preset {name} has, for there is no {root / FILE}{met}; to have "
        f"others, {FORM} there"
    )
