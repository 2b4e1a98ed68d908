r"""Exercises that check themselves: a pass, or what is wrong and a hint.

A chapter's exercise ends in ``check("edges.thin", thin)``. The part before the dot names a module
of this folder, which holds that chapter's checkers:

    @exercise("edges.thin")
    def thin(answer):
        if answer(ramp).any():
            raise NotYet("a ramp has no ridge, and you keep some. Which neighbours do you compare?")
        return "only ridges one pixel wide are left."

A checker takes what the student hands in and returns a sentence to take away, or raises `NotYet`.
It never returns False: a student must learn what is wrong.
"""

import difflib
import functools
import importlib.util
import linecache
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import torch

from ecgan.errors import EcganError

__all__ = ["ExerciseError", "NotStarted", "NotYet", "check", "exercise", "expect_close", "names"]

_CHECKERS: dict[str, Callable[..., str]] = {}
_NOT_THE_STUDENT = [
    Path(__file__).parent.parent,
    *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib")),
]


class ExerciseError(EcganError):
    r"""No exercise has this name: a slip in the call, not in the answer."""


class NotYet(EcganError):
    r"""The answer is wrong; the message says what was met and gives a hint."""


class NotStarted(NotYet):
    r"""The answer is still the stub: ``...``, or a function that returns nothing."""


def exercise(name: str) -> Callable[[Callable[..., str]], Callable[..., str]]:
    r"""Register a checker as ``chapter.exercise``; `check` finds it by that name."""

    def register(checker: Callable[..., str]) -> Callable[..., str]:
        _CHECKERS[name] = checker
        return checker

    return register


def names(chapter: str) -> list[str]:
    r"""The names of a chapter's exercises, in the order of its file; none if it has no file."""
    module = f"{__name__}.{chapter}"
    if chapter.isidentifier() and importlib.util.find_spec(module) is not None:
        importlib.import_module(module)
    return [name for name in _CHECKERS if name.split(".")[0] == chapter]


def check(name: str, *answer: Any) -> None:
    r"""Print ``Pass: ...``, or ``Not yet: ...`` with what is wrong and a hint.

    Args:
        name: the exercise, as ``chapter.exercise``.
        answer: what the exercise asks for: a value, a function, or several of them.

    Raises:
        ExerciseError: no exercise has this name; the message lists the chapter's.
    """
    print(_verdict(_find(name), answer))


def expect_close(
    value: Any, expected: Any, hint: str, *, what: str = "your answer", tolerance: float = 1e-4
) -> None:
    r"""Hold a number, an array or a tensor against the right one: its kind, its shape, its values.

    Raises:
        NotStarted: the value is ``...`` or None.
        NotYet: the value differs by more than the tolerance, relative to values larger than 1;
            the message says how, then gives the hint.
    """
    if value is None or value is ...:
        raise NotStarted(f"{what} is still empty. {hint}")
    expected = torch.as_tensor(expected)
    try:
        met = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        kind = type(value).__name__
        raise NotYet(f"{what} is a {kind}, where numbers are wanted. {hint}") from None
    if met.shape != expected.shape:
        shapes = f"shape {tuple(met.shape)}, where {tuple(expected.shape)} is wanted"
        raise NotYet(f"{what} has {shapes}. {hint}")
    met, expected = met.detach().cpu().double(), expected.detach().cpu().double()
    if met.isnan().any() and not expected.isnan().any():
        raise NotYet(f"{what} holds {int(met.isnan().sum())} NaN. {hint}")
    wrong = ~torch.isclose(met, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not wrong.any():
        return
    if not met.ndim:
        raise NotYet(f"{what} is {met.item():.6g}, which is not right. {hint}")
    raise NotYet(f"{what} differs in {int(wrong.sum())} of {wrong.numel()} values. {hint}")


def _find(name: str) -> Callable[..., str]:
    known = names(name.split(".")[0])
    if name in known:
        return _CHECKERS[name]
    near = difflib.get_close_matches(name, known, n=1)
    said = f"did you mean {near[0]!r}?" if near else f"this chapter has {known or 'none'}."
    raise ExerciseError(f"there is no exercise {name!r}; {said}")


def _verdict(checker: Callable[..., str], answer: tuple[Any, ...]) -> str:
    try:
        if _is_empty(answer):
            raise NotStarted("nothing is filled in. Replace each `...` by your answer.")
        return f"Pass: {checker(*map(_watch, answer))}"
    except NotYet as wrong:
        return f"Not yet: {wrong}"
    except Exception as error:  # whatever the student's code raises is told, never thrown
        return f"Not yet: {_explain(error)}"


def _is_empty(value: Any) -> bool:
    r"""None, ``...``, or a tuple of nothing else."""
    if isinstance(value, tuple):
        return all(map(_is_empty, value))
    return value is None or value is ...


def _watch(part: Any) -> Any:
    r"""A function that notices when the student's function returns nothing."""
    if not isinstance(part, FunctionType):
        return part

    @functools.wraps(part)
    def watched(*args: Any, **kwargs: Any) -> Any:
        result = part(*args, **kwargs)
        if _is_empty(result):
            raise NotStarted(f"`{part.__name__}` returns nothing. Replace each `...`, and return.")
        return result

    return watched


def _explain(error: Exception) -> str:
    r"""What was raised, and on which of the student's own lines."""
    kind = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = Path(frame.f_code.co_filename)
        if any(folder in file.parents for folder in _NOT_THE_STUDENT):
            continue
        source = linecache.getline(str(file), line).strip()
        return f"your code raised {kind} (line {line}{f': `{source}`' if source else ''})."
    return f"the checker could not use your answer ({kind}). Is it of the kind that is asked for?"
