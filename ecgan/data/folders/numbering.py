r"""How the values of label files stand for class ids: a convention's numbering (chapter 01)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from ecgan.method.layouts import IGNORE, NEXT_STEP


@dataclass(frozen=True, kw_only=True)
class Numbering:
    r"""A file's value ``first`` is class 0, the next one class 1, and so on.

    ``special`` are pairs of values that are none of these, such as "other", and the class ids, or
    255 for don't care, that they stand for.
    """

    name: str
    first: int = 0
    special: tuple[tuple[int, int], ...] = ()

    def class_of(self, value: int) -> int:
        r"""The class id, or 255 for don't care, that a value in a label file stands for."""
        return dict(self.special).get(value, value - self.first)

    def classes_of(self, values: Integer[np.ndarray, "*size"]) -> Integer[np.ndarray, "*size"]:
        r"""The class ids, 64 bits, of a whole file's values; none is checked."""
        values = values.astype(np.int64)
        ids = values - self.first
        for value, known in self.special:
            ids[values == value] = known
        return ids

    def allows(self, value: int, *, classes: int, dont_care: bool) -> bool:
        r"""Whether a model of ``classes`` can read this value of a label file."""
        known = self.class_of(value)
        ignored = known == IGNORE and (value in dict(self.special) or value == IGNORE)
        return dont_care if ignored else 0 <= known < classes

    def rule(self, *, classes: int, dont_care: bool) -> str:
        r"""The values that a label file may hold, in words."""
        last = self.first + classes - 1
        words = [f"{self.first} to {last} for {classes} classes"]
        words += [
            f"{value} for " + ("don't care" if known == IGNORE else f"class {known}")
            for value, known in self.special
            if dont_care or known != IGNORE
        ]
        if dont_care and IGNORE not in dict(self.special).values():
            words.append(f"{IGNORE} for don't care")
        return ", ".join(words)

    def wrong_label(self, value: int, source: str, *, classes: int, dont_care: bool) -> str:
        r"""What to tell who has a label file with a value that is not allowed."""
        rule = self.rule(classes=classes, dont_care=dont_care)
        if value == IGNORE and not dont_care:
            advice = "to leave these pixels out of training, say --model.dont-care"
        elif self.first or self.special:
            advice = f"the file is read with the numbering of {self.name}"
        else:
            advice = NEXT_STEP
        return f"label {value} in {source}; allowed are {rule}; {advice}"

    def as_notes(self) -> dict:
        r"""What a model's file carries of it, plain for JSON."""
        special = [list(pair) for pair in self.special]
        return {"name": self.name, "first": self.first, "special": special}

    def reads_like(self, other: "Numbering") -> bool:
        r"""Whether both read every file alike, whatever their names."""
        return (self.first, sorted(self.special)) == (other.first, sorted(other.special))


PLAIN = Numbering(name="folder")


def from_notes(notes: dict | None) -> Numbering:
    r"""The numbering that a model's file carries; the plain one, from 0, where it carries none."""
    if not notes:
        return PLAIN
    special = tuple((int(value), int(known)) for value, known in notes["special"])
    return Numbering(name=str(notes["name"]), first=int(notes["first"]), special=special)
