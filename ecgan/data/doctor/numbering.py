r"""How the classes of label files seem to be numbered, told from the values met in them."""

from collections.abc import Mapping
from math import gcd

from ecgan.method.layouts import IGNORE

MINUS_ONE = (-1, 65535, 4294967295)
ENOUGH = 3  # so many values with one gap between them are no accident


def _ids(pixels: Mapping[int, int]) -> list[int]:
    return sorted(value for value in pixels if value != IGNORE and value not in MINUS_ONE)


def starts_at_one(pixels: Mapping[int, int], classes: int | None) -> bool:
    r"""Whether the values look like 1 to K: no 0, and (where K is known) K itself is met."""
    ids = _ids(pixels)
    return bool(ids) and ids[0] == 1 and (classes is None or ids[-1] == classes)


def gap(pixels: Mapping[int, int]) -> int:
    r"""The gap between ids that were spread out to be seen as grey levels, else 1."""
    ids = sorted(pixels)
    step = gcd(*ids) if len(ids) >= ENOUGH else 1
    return max(step, 1)


def advice(pixels: Mapping[int, int], *, classes: int | None, dont_care: bool) -> list[str]:
    r"""What the values say about the numbering, a sentence each; nothing where all is usual.

    ``pixels`` are the counts by value in the files, ``classes`` is None where nobody said it.
    """
    said = []
    if gap(pixels) > 1:
        said.append(
            f"all values are multiples of {gap(pixels)}: the ids seem to have been spread out to "
            f"be seen; divide them by {gap(pixels)}"
        )
    elif starts_at_one(pixels, classes):
        last = _ids(pixels)[-1]
        said.append(
            f"the values run from 1 to {last} and 0 is never met: they seem to be 1-based; "
            f"subtract 1 (class 0 comes first), and save 'other' as {IGNORE}"
        )
    met = [value for value in MINUS_ONE if value in pixels]
    if met:
        said.append(
            f"{met[0]} is met, which is how -1 ('void') is stored in wide integers; save it as "
            f"{IGNORE} in an 8-bit file"
        )
    if IGNORE in pixels and not dont_care:
        said.append(
            f"{IGNORE} is met, which usually means don't care; this config has no such label: "
            f"set dont_care=True, or give these pixels a class"
        )
    return said
