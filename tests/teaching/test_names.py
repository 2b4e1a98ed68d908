r"""What looks like code in prose, exercises and docstrings exists under that name."""

import ast
import builtins
import importlib
import re
from pathlib import Path

import pytest

from support.chapters import PATHS, ROOT, read

PACKAGE = sorted((ROOT / "ecgan").rglob("*.py"))
DOTTED = re.compile(r"(?<![\w./-])ecgan(?:\.[A-Za-z_]\w*)+")
ROLE = re.compile(r":(?:func|class|mod|meth|attr|data):`~?([\w.]+)`")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
CALL = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)\(")
FENCE = re.compile(r"^(```+|:::+).*?^\1", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FROM = re.compile(r"`(\w+)(?:\([^`]*\))?`,? (?:is )?(?:from|in) `(ecgan(?:\.\w+)+)`")
FILES = {"py", "ipynb", "yaml", "jsonl", "json", "safetensors", "md", "toml"}


def resolve(name: str) -> object:
    r"""The module or attribute of a dotted name; an AttributeError names the part that is not."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if error.name and not ".".join(parts[:cut]).startswith(error.name):
                pytest.skip(f"{error.name} is not installed")
            continue
        for part in parts[cut:]:
            fields = getattr(found, "__dataclass_fields__", {})
            annotations = getattr(found, "__annotations__", {})
            if part in fields or part in annotations:
                return None  # an instance has it
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(f"there is no module {parts[0]}")


def missing(names) -> list[str]:
    wrong = []
    for name in sorted(set(names)):
        if name.split(".")[-1] in FILES:
            continue
        try:
            resolve(name)
        except (AttributeError, ModuleNotFoundError) as error:
            wrong.append(f"{name}: {error}")
    return wrong


def docstrings(path: Path) -> list[str]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, kinds)]
    return [text for text in map(ast.get_docstring, nodes) if text]


def known(sources: list[str]) -> tuple[set[str], dict[str, str]]:
    r"""Every name that code binds, arguments too, and where the imported ones come from."""
    names, origin = set(dir(builtins)), {}
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    bound = alias.asname or alias.name.split(".")[0]
                    inside = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                    origin[bound] = inside + (alias.name if inside or alias.asname else bound)
                    names.add(bound)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
    return names, origin


def cells(path: Path, kind: str) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == kind]


def slips(prose: list[str], code: list[str]) -> list[str]:
    r"""What the prose of a chapter calls, and neither its code nor the package has."""
    names, origin = known(code)
    text = "\n".join(prose)
    wrong = missing(DOTTED.findall(text))
    wrong += missing(f"{module}.{name}" for name, module in FROM.findall(text))
    plain = FENCE.sub(lambda block: "" if block.group().startswith("```p") else block.group(), text)
    for span in SPAN.findall(plain):
        called = CALL.match(span)
        if not called or called.group(1).startswith("ecgan."):
            continue
        head, *rest = called.group(1).split(".")
        if head not in names:
            wrong.append(f"`{span}`: nothing is called {head} in this chapter")
        elif head in origin and rest:
            wrong += missing([".".join([origin[head], *rest])])
    return wrong


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in PATHS])
def test_names_in_a_chapter_exist(path: Path) -> None:
    prose = cells(path, "markdown")
    code = cells(path, "code") + BLOCK.findall("\n".join(prose))
    assert slips(prose, code) == []
    _, origin = known(code)
    ours = (name for name in origin.values() if name.split(".")[0] == "ecgan")
    assert missing(ours) == [], "an import, of an exercise's solution too"
    used = []
    for tree in map(ast.parse, code):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                place = origin.get(node.value.id, "")
                used += [f"{place}.{node.attr}"] if place.startswith("ecgan.") else []
    assert missing(used) == []


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=str(p.relative_to(ROOT)).removesuffix(".py")) for p in PACKAGE]
)
def test_names_in_docstrings_exist(path: Path) -> None:
    r"""A role may name something of its own module, or say the whole path."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if module.endswith("__main__"):
        return
    text = "\n".join(docstrings(path))
    wrong = missing(DOTTED.findall(text))
    of_classes = {
        inner.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, ast.FunctionDef)
    }
    for name in set(ROLE.findall(text)) - of_classes:
        if not name.startswith("ecgan."):
            wrong += missing([name if name.startswith("torch.") else f"{module}.{name}"])
    assert wrong == []


@pytest.mark.parametrize(
    ("prose", "said"),
    [
        ("`neighbour(magnitude, down, right)`, from `ecgan.method.edges`, gives", "neighbour"),
        ("see `ecgan.method.edges.nowhere`", "nowhere"),
        ("call `toy.sceenes(3)`", "sceenes"),
    ],
)
def test_a_name_that_does_not_exist_is_found(prose: str, said: str) -> None:
    code = ["from ecgan.data import toy"]
    assert any(said in slip for slip in slips([prose], code))
    assert slips(["`toy.scenes(3)` and `ecgan.method.edges.beside`"], code) == []
