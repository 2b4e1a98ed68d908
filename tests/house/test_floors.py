r"""The house stands on its floors: each imports from those below it, and the tree holds no more.

The imports are drawn from the syntax trees, those inside functions included.
"""

import ast
import subprocess
from collections.abc import Iterator
from importlib import import_module
from inspect import isclass
from pathlib import Path

import pytest

from ecgan.errors import EcganError
from support.chapters import ROOT

PACKAGE = ROOT / "ecgan"
# From the bottom up; the choices and the errors share the lowest. A module imports from its own
# floor and from those below, nothing else. The lazy face `ecgan/__init__` stands on none: nobody
# imports from it, but it may be asked for `__version__` and the like.
FLOORS = (
    ("errors", "lazy", "ranges", "config", "options", "presets"),
    *(("files",), ("method",), ("fast",), ("readers",), ("synthesis",), ("weights",), ("data",)),
    *(("training",), ("evaluation",), ("experiments",), ("teaching",), ("cli",)),
)
FLOOR = {name: height for height, floor in enumerate(FLOORS) for name in floor}
OUTSIDE = {"tests", "support", "book", "benchmarks", "notebooks", "data_scripts"}
FACES = {"__init__", "__main__"}
TOP = set(
    """
    .ci .github .gitignore CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE LICENSE-text Makefile
    README.md _config.yml _toc.yml benchmarks book data_scripts ecgan environment.yml experiments
    notebooks pyproject.toml requirements.lock tests
    """.split()
)

MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize(
    "path", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in MODULES]
)


def dotted(path: Path) -> list[str]:
    r"""A module's place in the package: ["ecgan", "method", "spade"]."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return list(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imported(tree: ast.AST, here: list[str], *, package: bool) -> Iterator[tuple[int, list[str]]]:
    r"""Line and full name of each import, relative ones and those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level + package] if node.level else []
            module = node.module.split(".") if node.module else []
            for alias in node.names:  # the name may itself be a module
                yield node.lineno, [*start, *module, alias.name]


def asked_of_the_face(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    r"""What is taken from the package by a dot, after a bare `import ecgan`."""
    for node in ast.walk(tree):
        taken = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(taken, ast.Name) and taken.id == "ecgan":
            yield node.lineno, ["ecgan", node.attr]


def slips(source: str, here: list[str], *, package: bool = False) -> list[str]:
    r"""Imports that a module of the package may not have, each with its line."""
    own, tree, found = here[1], ast.parse(source), []
    for line, name in [*imported(tree, here, package=package), *asked_of_the_face(tree)]:
        if name[0] in OUTSIDE:
            found.append(f"line {line}: {'.'.join(name)} is no part of the package")
        elif name[0] == "ecgan" and len(name) > 1 and own not in FACES:
            if name[1] not in FLOOR and not name[1].startswith("__"):
                found.append(f"line {line}: {'.'.join(name)} stands on no floor")
            elif FLOOR.get(name[1], 0) > FLOOR[own]:
                found.append(f"line {line}: {own} imports {'.'.join(name)}, a floor above it")
    return found


@each_module
def test_a_module_imports_from_its_own_floor_and_from_below(path: Path) -> None:
    here = dotted(path)
    assert here[1] in FLOOR or here[1] in FACES, f"{path.relative_to(ROOT)} stands on no floor"
    wrong = slips(path.read_text(), here, package=path.name == "__init__.py")
    assert wrong == [], f"{path.relative_to(ROOT)}: {wrong}"


@pytest.mark.parametrize(
    "line",
    [
        "from ecgan.training.run import fit",
        "import ecgan.fast",
        "from ecgan import cli",
        "from ecgan import Generator",
        "import ecgan\necgan.synthesize(1, 2)",
        "def f():\n    from ecgan.readers.vgg import VGG",
        "from ..fast.neighbourhoods import Rows",
        "from .. import fast",
        "import benchmarks.cases",
        "from book import tools",
        "import tests",
        "from ecgan.nowhere import thing",
    ],
)
def test_the_rule_of_the_floors_finds_what_it_forbids(line: str) -> None:
    assert len(slips(line, ["ecgan", "method", "spade"])) == 1


@pytest.mark.parametrize(
    "line",
    [
        "from ecgan.config import ModelConfig",
        "from ecgan import config",
        "from ecgan.method.layouts import semantics",
        "from .layouts import semantics",
        "from ..config import ModelConfig",
        "import ecgan\nprint(ecgan.__version__)",
        "import torch.utils.checkpoint",
    ],
)
def test_the_rule_of_the_floors_lets_pass_what_it_allows(line: str) -> None:
    assert slips(line, ["ecgan", "method", "spade"]) == []


@each_module
def test_errors_are_the_package_s(path: Path) -> None:
    r"""Who catches EcganError catches every error that the package names."""
    if path.stem == "__main__":
        return  # it runs when it is imported
    name = ".".join(dotted(path)).removesuffix(".__init__")
    own = [t for t in vars(import_module(name)).values() if isclass(t) and t.__module__ == name]
    strays = [t.__name__ for t in own if issubclass(t, Exception) and not issubclass(t, EcganError)]
    assert strays == [], f"{path.relative_to(ROOT)}: derive these from ecgan.errors.EcganError"


def entries() -> list[tuple[str, str]]:
    r"""Mode and path of each file under version control."""
    command = ["git", "ls-files", "--stage", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = [entry.split("\t") for entry in listed.stdout.split("\0") if entry]
    return [(about.split()[0], path) for about, path in found]


def test_the_tree_holds_no_link() -> None:
    found = entries()
    assert len(found) > 300
    assert [path for mode, path in found if mode not in ("100644", "100755")] == []


def test_nothing_stands_at_the_top_without_a_reason() -> None:
    top = {path.split("/")[0] for _, path in entries()}
    assert top - TOP == set()
    assert TOP - top <= {"CHANGELOG.md"}
