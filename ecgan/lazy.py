r"""A package's face whose names are imported when they are asked for, so that help stays quick."""

from collections.abc import Callable, Mapping
from importlib import import_module


def face(package: str, places: Mapping[str, str]) -> Callable[[str], object]:
    r"""A ``__getattr__`` for ``package``: each name of ``places`` comes from its module."""

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(places[name]), name)

    return find
