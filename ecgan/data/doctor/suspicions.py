r"""What the doctor finds strange though every file can be read and every value is allowed."""

from collections import Counter
from pathlib import Path

from ecgan.config import Config
from ecgan.data.doctor.examination import Facts
from ecgan.data.doctor.findings import Expected
from ecgan.data.doctor.large import edges_of
from ecgan.data.doctor.report import GIB, Finding
from ecgan.data.folders.conventions import PICTURES
from ecgan.data.folders.scenes import Trouble
from ecgan.method.layouts import IGNORE

LARGE = 4_000_000  # pixels
LONGEST_WAY = 4096  # bytes of the name of a file


def suspicions(root: Path, facts: list[Facts], expected: Expected, config: Config) -> list[Finding]:
    r"""Findings about layouts without a class, palettes that differ, large pictures."""
    return [
        *_nothing_to_learn(root, facts, expected),
        *_palettes(root, facts),
        *_grey_palettes(root, facts),
        *_large(root, facts, config),
    ]


def passed_over(root: Path, trouble: list[Trouble]) -> list[Finding]:
    r"""The findings about files that lie in the folder and are not read, if there are any."""
    links = [one.path for one in trouble if _was_a_link(one.path)]
    others = [one.path for one in trouble if one.path not in links]
    endings = ", ".join(PICTURES)
    said = {
        "links as text": "they were links, and became files of text on their way (git and archives "
        "do so where links cannot be made); put what they name in their place",
        "files passed over": f"their endings are not read; convert them to PNG, or take them away "
        f"({endings} are read)",
    }
    return [
        Finding(level="warning", kind=kind, message=text, files=_names(root, paths))
        for (kind, text), paths in zip(said.items(), (links, others), strict=True)
        if paths
    ]


def _was_a_link(path: Path) -> bool:
    r"""Whether a small file holds nothing but the way to another file or folder."""
    try:
        text = path.read_text().strip() if path.stat().st_size <= LONGEST_WAY else ""
        return bool(text) and (path.parent / text).exists()
    except (OSError, ValueError):  # no text, or none that can be a name
        return False


def _names(root: Path, paths: list[Path]) -> tuple[str, ...]:
    return tuple(path.relative_to(root).as_posix() for path in paths)


def _warning(root: Path, paths: list[Path], *, kind: str, message: str) -> list[Finding]:
    return [Finding(level="warning", kind=kind, message=message, files=_names(root, paths))]


def _nothing_to_learn(root: Path, facts: list[Facts], expected: Expected) -> list[Finding]:
    read = [one for one in facts if one.pixels]
    ids = expected.convention
    empty = [one for one in read if all(ids.class_of(value) == IGNORE for value in one.pixels)]
    if not empty:
        return []
    every = len(empty) == len(read)
    which = "every pixel of every layout is" if every else "every pixel of these layouts is"
    return [
        Finding(
            level="error" if every else "warning",
            kind="layouts without a class",
            message=f"{which} don't care: there is nothing to learn from them; export them again",
            files=_names(root, [one.scene.label for one in empty]),
        )
    ]


def _palettes(root: Path, facts: list[Facts]) -> list[Finding]:
    shown: dict[int, Counter] = {}
    for one in facts:
        for value, colour in one.colours.items():
            shown.setdefault(value, Counter())[colour] += 1
    usual = {value: counts.most_common(1)[0][0] for value, counts in shown.items()}
    other = [
        (one.scene.label, value, colour)
        for one in facts
        for value, colour in one.colours.items()
        if colour != usual[value]
    ]
    if not other:
        return []
    named = dict.fromkeys(path for path, _, _ in other)
    path, value, colour = other[0]
    return _warning(
        root,
        list(named),
        kind="palettes that differ",
        message=f"{value} is {usual[value]} in most files and {colour} in {path.name}: their "
        f"numbers are perhaps no class ids, but places in each file's own palette; convert "
        f"them by their colours with ecgan.method.layouts.from_colors",
    )


def _grey_palettes(root: Path, facts: list[Facts]) -> list[Finding]:
    r"""Grey pictures that a program saved with a palette, and so numbered anew, as GIFs are."""
    odd = {
        one.scene.label: next(iter(moved.items()))
        for one in facts
        if all(len(set(colour)) == 1 for colour in one.colours.values())
        and (moved := {value: grey[0] for value, grey in one.colours.items() if grey[0] != value})
    }
    if not odd:
        return []
    path, (value, grey) = next(iter(odd.items()))
    return _warning(
        root,
        list(odd),
        kind="palettes of greys",
        message=f"{value} in {path.name} is shown as the grey {grey}: if greys are the class "
        f"ids, the program that saved them (GIFs are always so) numbered them anew; export "
        f"them again as grey PNG",
    )


def _large(root: Path, facts: list[Facts], config: Config) -> list[Finding]:
    large = [one for one in facts if one.size and one.size[0] * one.size[1] > LARGE]
    if not large or config.data.scale is not None:  # crops have their edges found once, and kept
        return []
    most, batch = max(one.size[0] * one.size[1] for one in large), config.training.batch_size
    seconds, kept = edges_of(batch * most)
    return _warning(
        root,
        [one.scene.image for one in large],
        kind="large pictures",
        message=f"up to {most / 1e6:.1f} million pixels: finding the edges of a batch of "
        f"{batch} takes about {seconds:.0f} s and {kept / GIB:.1f} GiB in each step "
        f"(estimate); scale them down, to two or four times the model's size",
    )
