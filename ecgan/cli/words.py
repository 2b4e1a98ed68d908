r"""Messages in the words of the command line: ``dont_care=True`` becomes ``--model.dont-care``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from inspect import signature
from typing import get_type_hints

from ecgan.config import Config
from ecgan.training.settings import RunSettings

FLAT = ("training", "run")  # parts whose options bear no prefix
# What a command calls otherwise than the package does.
OTHERWISE = {"toy": {"height": "--size", "width": "--size"}}
VALUE = r"""(?:"[^"]*"|'[^']*'|[\w.+-]*\w|\.\.\.)"""


def _option(*path: str) -> str:
    return "--" + ".".join(path).replace("_", "-")


def _fields(kind: type, path: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name, hint in get_type_hints(kind).items():
        if is_dataclass(hint):
            found |= _fields(hint, (*path, name))
        else:
            found[".".join((*path, name))] = _option(
                *(part for part in (*path, name) if part not in FLAT)
            )
    return found


@cache
def options() -> Mapping[str, str]:
    r"""The option of every field of a config and of a run, by its dotted name."""
    return _fields(Config, ()) | _fields(RunSettings, ("run",))


def _of_command(command: Callable | None) -> dict[str, str]:
    if command is None:
        return {}
    own = {
        name: _option(name)
        for name, parameter in signature(command).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and not is_dataclass(parameter.default)
    }
    return own | OTHERWISE.get(command.__name__, {})


def spoken(message: str, command: Callable | None = None) -> str:
    r"""``message`` with the names of fields and arguments as options.

    Translated are dotted names of fields; names given a value, ``few=True``; and, said alone, names
    of several words and the first word of "NAME is VALUE". The options of ``command`` come first.
    """
    own, dotted = _of_command(command), options()
    single = {name.rsplit(".", 1)[-1]: option for name, option in dotted.items()} | own
    # One word alone may be plain English; what has an underscore is a name.
    alone = {name: option for name, option in single.items() if "_" in name}
    given = _any(dotted | single)
    message = re.sub(
        rf"(?<![\w.-]){given}=({VALUE})", lambda m: _given(*m.groups(), dotted | single), message
    )
    message = re.sub(
        rf"(?<![\w./-]){_any(dotted | alone)}(?![\w./=(-]*\w)",
        lambda m: (dotted | alone)[m[1]],
        message,
    )
    return re.sub(rf"^{_any(own)}(?= is )", lambda m: own[m[1]], message) if own else message


def _any(names: Mapping[str, str]) -> str:
    return "(" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + ")"


def _given(name: str, value: str, known: Mapping[str, str]) -> str:
    option = known[name]
    if value == "True":
        return option
    if value == "False":
        before, _, last = option[2:].rpartition(".")
        return f"--{before}.no-{last}" if before else f"--no-{last}"
    return option if value == "..." else f"{option} {value.strip(chr(34))}"
