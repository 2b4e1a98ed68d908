r"""How the classes of label files seem to be numbered, told from the values met in them."""

from collections.abc import Mapping
from math import gcd

from ecgan.method.layouts import IGNORE

FIX = "ecgan doctor FOLDER --fix OUT writes a copy so"
MINUS_ONE = (-1, 65535, 4294967295)
WHITES = (255, 65535)  # how a mask shows what it means, in 8 and in 16 bits
ENOUGH = 3  # so many values with one gap between them are no accident


def _ids(pixels: Mapping[int, int]) -> list[int]:
    return sorted(value for value in pixels if value != IGNORE and value not in MINUS_ONE)


def starts_at_one(pixels: Mapping[int, int], classes: int) -> bool:
    r"""Whether the values look like 1 to K: no 0, and K itself is met."""
    ids = _ids(pixels)
    return bool(ids) and ids[0] == 1 and ids[-1] == classes


def mask_value(pixels: Mapping[int, int], classes: int) -> int | None:
    r"""The value that stands for class 1 in a two-class mask of 0 and 255, or their like."""
    values = sorted(pixels)
    if len(values) != 2 or values[0] != 0 or values[1] == 1 or classes < 2:
        return None
    return values[1] if classes == 2 or values[1] in WHITES else None


def zero_is_more(pixels: Mapping[int, int], classes: int) -> bool:
    r"""Whether the values look like 1 to K with 0 for what is unknown."""
    ids = _ids(pixels)
    return bool(ids) and ids[0] == 0 and ids[-1] == classes


def gap(pixels: Mapping[int, int]) -> int:
    r"""The gap between ids that were spread out to be seen as grey levels, else 1."""
    ids = sorted(pixels)
    step = gcd(*ids) if len(ids) >= ENOUGH else 1
    return max(step, 1)


def advice(pixels: Mapping[int, int], *, classes: int, dont_care: bool | None) -> list[str]:
    r"""What the values say about the numbering, a sentence each; nothing where all is usual.

    ``pixels`` are the counts by value in the files, ``dont_care`` is None where nobody said it.
    """
    said, mask = [], mask_value(pixels, classes)
    if mask is not None:
        return [
            f"the values are 0 and {mask} and no others: a two-class mask? write 1 for {mask} "
            f"({FIX}); {IGNORE} means don't care"
        ]
    if gap(pixels) > 1:
        said.append(
            f"all values are multiples of {gap(pixels)}: the ids seem to have been spread out to "
            f"be seen; divide them by {gap(pixels)}"
        )
    elif starts_at_one(pixels, classes):
        last = _ids(pixels)[-1]
        said.append(
            f"the values run from 1 to {last} and 0 is never met: they seem to be 1-based; "
            f"subtract 1 (class 0 comes first), and save 'other' as {IGNORE}; {FIX}"
        )
    elif zero_is_more(pixels, classes):
        said.append(
            f"the values run from 0 to {classes} for {classes} classes: is 0 'unknown'? then "
            f"subtract 1 and save unknown as {IGNORE} ({FIX}); or does classes.json lack a name?"
        )
    met = [value for value in MINUS_ONE if value in pixels]
    if met:
        said.append(
            f"{met[0]} is met, which is how -1 ('void') is stored in wide integers; save it as "
            f"{IGNORE} in an 8-bit file"
        )
    if IGNORE in pixels and len(pixels) > 1 and not dont_care:
        share = pixels[IGNORE] / sum(pixels.values())
        said.append(
            f"{IGNORE} is met ({share:.1%} of the pixels), which usually means don't care: ecgan "
            f"train leaves it out with --model.dont-care, and refuses it without; or give these "
            f"pixels a class"
        )
    return said
