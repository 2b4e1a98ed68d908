r"""How the package's code is written: einops, short modules, docstrings, keywords."""

import ast
import subprocess
import sys
from importlib import import_module
from inspect import getdoc, isclass, isfunction, signature
from pathlib import Path

import pytest

from support.chapters import ROOT

MODULES = sorted((ROOT / "ecgan").rglob("*.py"))
LONGEST_MODULE = 260
SHAPE_METHODS = set(
    """
    view view_as reshape reshape_as permute transpose transpose_ squeeze squeeze_ unsqueeze
    unsqueeze_ flatten unflatten expand expand_as expand_dims repeat repeat_interleave movedim
    moveaxis swapaxes swapdims T mT H mH t ravel tile newaxis broadcast_to atleast_1d atleast_2d
    atleast_3d
    """.split()
)

each_module = pytest.mark.parametrize(
    "path", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in MODULES]
)


def shape_slips(tree: ast.AST) -> list[str]:
    r"""Where a shape is changed without einops: methods, functions, None in an index."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in SHAPE_METHODS:
            if not (isinstance(node.value, ast.Name) and node.value.id == "einops"):
                found.append(f"line {node.lineno}: .{node.attr}")
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            entries = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            nones = [e for e in entries if isinstance(e, ast.Constant) and e.value is None]
            if nones and not _annotates(node):
                found.append(f"line {node.lineno}: None in an index")
    return found


def _annotates(node: ast.Subscript) -> bool:
    r"""`tuple[int, None]` and its like are types, not indices."""
    base = node.value
    name = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
    return name in {"tuple", "list", "dict", "set", "type", "Callable", "Iterator", "Generator"}


@each_module
def test_shapes_are_einops(path: Path) -> None:
    assert shape_slips(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "line",
    [
        "x.view(3)",
        "torch.squeeze(x)",
        "np.expand_dims(x, 0)",
        "x[:, None]",
        "x[None]",
        "x.T",
        "x.t()",
        "x.repeat(2, 1)",
        "x[np.newaxis]",
        "torch.Tensor.permute(x, 1, 0)",
    ],
)
def test_the_einops_rule_finds_what_it_forbids(line: str) -> None:
    assert shape_slips(ast.parse(line))


def test_the_einops_rule_lets_einops_pass() -> None:
    code = (
        "repeat(x, 'b -> b c', c=2); einops.repeat(x, 'b -> b 2'); x[0, ...]; a: tuple[int, None]"
    )
    assert shape_slips(ast.parse(code)) == []


@each_module
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE, "about 200 lines is the aim"


def public(path: Path) -> list:
    r"""The public functions and classes that a module defines, with the classes' public methods."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    module = import_module(name)
    own = [
        thing
        for key, thing in vars(module).items()
        if not key.startswith("_") and (isclass(thing) or isfunction(thing))
        if thing.__module__ == name
    ]
    methods = [
        method
        for thing in own
        if isclass(thing)
        for key, method in vars(thing).items()
        if isfunction(method) and not key.startswith("_") and key != "forward"
    ]
    return own + methods


@each_module
def test_public_things_have_docstrings(path: Path) -> None:
    if path.parent.name == "exercises" and path.stem != "__init__":
        return  # checkers: the exercise in the chapter says what is asked
    for thing in public(path):
        assert getdoc(thing), f"{thing.__qualname__} has no docstring"


@each_module
def test_docstrings_are_raw(path: Path) -> None:
    r"""A docstring that is not raw turns \theta into a tab."""
    source = path.read_text()
    tree = ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in (n for n in ast.walk(tree) if isinstance(n, kinds)):
        if ast.get_docstring(node) is not None:
            written = ast.get_source_segment(source, node.body[0])
            assert written.startswith('r"""'), f"line {node.body[0].lineno}"


@each_module
def test_constructors_are_keyword_only(path: Path) -> None:
    r"""All but the one thing an object is made from, a network's config for example."""
    for thing in filter(isclass, public(path)):
        if "__init__" not in vars(thing) or issubclass(thing, Exception | tuple):
            continue
        given = list(signature(thing.__init__).parameters.values())[1:]
        places = [p.name for p in given if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
        assert len(places) <= 1, f"{thing.__qualname__}: {places}"


def test_the_package_imports_without_the_book() -> None:
    r"""Plotting, the book's tools and the optional extras are not imported with `ecgan`."""
    heavy = "matplotlib seaborn jupyter_book transformers accelerate torchmetrics torchvision"
    code = "import sys, ecgan, ecgan.method.generator; "
    code += f"print(*({set(heavy.split())} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
