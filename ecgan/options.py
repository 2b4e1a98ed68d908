r"""Fields of configs by name, as the command line and the grids say them (tyro)."""

import difflib
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import cache
from io import StringIO
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro

from ecgan.config import Number
from ecgan.errors import EcganError

Whole = TypeVar("Whole")
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


class OptionError(EcganError):
    r"""A name that is no field, or a value of another kind than the field's."""


def _plainer(kind: Any) -> Any:
    if is_dataclass(kind):
        return draft_of(kind)
    return {Number: float, Number | None: float | None}.get(kind, kind)


@cache
def draft_of(kind: type) -> type:
    r"""A dataclass with the same fields that refuses nothing; :func:`finished` makes the real one.

    Tyro would put its own words around a refusal, so values are only parsed at first.
    """
    hints = get_type_hints(kind)
    parts = [
        (one.name, _plainer(hints[one.name]), field(default=one.default))
        if not is_dataclass(hints[one.name])
        else (one.name, _plainer(hints[one.name]))
        for one in fields(kind)
    ]
    made = make_dataclass(kind.__name__, parts, kw_only=True, frozen=True)
    made.__doc__, made.finished = kind.__doc__, kind
    return made


def draft(whole: Any) -> Any:
    r"""The draft of a dataclass, with its values."""
    if not is_dataclass(whole):
        return whole
    values = {one.name: draft(getattr(whole, one.name)) for one in fields(whole)}
    return draft_of(type(whole))(**values)


def finished(drafted: Any) -> Any:
    r"""What a draft stands for, refused where it is out of range."""
    if not is_dataclass(drafted):
        return drafted
    values = {one.name: finished(getattr(drafted, one.name)) for one in fields(drafted)}
    return type(drafted).finished(**values)


def changed(whole: Whole, said: Mapping[str, Any]) -> Whole:
    r"""A dataclass with fields set by their dotted names, all at once: some go together.

    Raises :class:`OptionError` for a name that is no field and a value of another kind, and as the
    dataclasses do for values out of range.
    """
    kinds = {name: _kind(type(whole), name) for name in said}
    try:
        return finished(_parsed(draft(whole), said))
    except SystemExit:
        for name, value in said.items():
            try:
                _parsed(draft(whole), {name: value})
            except SystemExit:
                wanted = " or ".join(_allowed(kinds[name]))
                raise OptionError(f"{name} is {value!r}; allowed is {wanted}") from None
        raise


def _parsed(drafted: Any, said: Mapping[str, Any]) -> Any:
    arguments = [word for name, value in said.items() for word in (f"--{name}", *_words(value))]
    with redirect_stderr(StringIO()):  # tyro's boxes; changed() says it in a sentence
        return tyro.cli(
            type(drafted),
            default=drafted,
            args=arguments,
            console_outputs=False,
            config=(tyro.conf.FlagConversionOff,),
        )


def _words(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list | tuple) else [value])]


def _kind(kind: type, name: str) -> Any:
    r"""The type of the field of that dotted name."""
    for part in name.split("."):
        known = get_type_hints(kind) if is_dataclass(kind) else {}
        if part not in known:
            near = difflib.get_close_matches(part, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
            raise OptionError(f"{name}: {kind.__name__} has no field {part!r}; {hint}")
        kind = known[part]
    if is_dataclass(kind):
        raise OptionError(f"{name} is a group of fields; set them one by one, {name}.FIELD: value")
    return kind


def _allowed(kind: Any) -> list[str]:
    r"""What may stand for a type, in words."""
    if kind == Number:
        return [WORDS[float]]
    if get_origin(kind) is Literal:
        return [str(one) for one in get_args(kind)]
    if kind is type(None):
        return ["null"]
    if get_origin(kind) is tuple:
        return [f"a list of {len(get_args(kind))} numbers"]
    if get_args(kind):
        return list(dict.fromkeys(word for one in get_args(kind) for word in _allowed(one)))
    return [WORDS.get(kind, kind.__name__)]
