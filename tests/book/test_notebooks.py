r"""The form of the chapters; pytest runs their cells and compares the checked outputs (nbval)."""

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from book.extensions import facts
from book.tools import notebooks, repository
from ecgan.files import records
from support.chapters import PATHS, ROOT, read, tags

LONGEST_CELL = 20
FEWEST_WORDS_OF_ALT_TEXT = 8
DRAWS = re.compile(r"\b(strip|show|imshow|subplots|figure|legend)\(")

each_chapter = pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in PATHS])


def code_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def shows(cell) -> bool:
    r"""A cell that puts a picture onto the page; defining a function that draws does not."""
    body = [n for n in ast.parse(cell.source).body if not isinstance(n, ast.FunctionDef)]
    return bool(DRAWS.search("\n".join(map(ast.unparse, body))))


@each_chapter
def test_stands_as_it_is_kept(path: Path) -> None:
    r"""Setup cell, Colab link, metadata and outputs are those that `make notebooks` writes."""
    kept = read(path)
    assert notebooks.tidy(read(path), notebooks.colab_link(path)) == kept, "run `make notebooks`"


@each_chapter
def test_is_valid_and_its_cells_have_names(path: Path) -> None:
    nbformat.validate(read(path))
    ids = [cell.id for cell in read(path).cells]
    assert len(ids) == len(set(ids))


@each_chapter
def test_starts_with_a_title_and_the_setup_cell(path: Path) -> None:
    cells = read(path).cells
    assert cells[0].cell_type == "markdown"
    assert re.match(r"# \S", cells[0].source)
    setups = [cell for cell in code_cells(path) if "setup" in tags(cell)]
    assert setups == code_cells(path)[:1], "the setup cell is the first code cell, and the only one"
    assert setups[0].source == (ROOT / "book" / "tools" / "setup_cell.py").read_text().strip()


@each_chapter
def test_has_at_most_one_cell_of_parameters(path: Path) -> None:
    assert sum("parameters" in tags(cell) for cell in read(path).cells) <= 1


@each_chapter
def test_cells_are_short_plain_python(path: Path) -> None:
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, f"cell {cell.id} is too long"
        assert not re.search(r"^\s*[%!]", cell.source, re.MULTILINE), f"cell {cell.id} has a magic"
        ast.parse(cell.source)


@each_chapter
def test_imports_only_what_the_package_installs(path: Path) -> None:
    r"""So that a chapter runs where only `ecgan` was installed."""
    installs = {"PIL" if n == "pillow" else n for n in _dependencies()}
    installs = {"skimage" if n == "scikit_image" else n for n in installs} | {"ecgan", "IPython"}
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                assert top in installs or top in sys.stdlib_module_names, f"{cell.id}: {name}"


def _dependencies() -> list[str]:
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return [re.match(r"[\w-]+", name).group().replace("-", "_") for name in listed]


@each_chapter
def test_pictures_are_described(path: Path) -> None:
    for cell in code_cells(path):
        image = cell.metadata.get("mystnb", {}).get("image", {})
        if shows(cell):
            words = image.get("alt", "").split()
            assert len(words) >= FEWEST_WORDS_OF_ALT_TEXT, f"cell {cell.id} needs alt text"
            assert words[0].lower() not in {"figure", "image", "picture"}, f"cell {cell.id}"


@each_chapter
def test_noise_is_folded(path: Path) -> None:
    r"""Imports, code that only draws, checks of our own prose: no reader came for them."""
    for cell in code_cells(path):
        body = [n for n in ast.parse(cell.source).body if not isinstance(n, ast.FunctionDef)]
        imports = sum(isinstance(node, ast.Import | ast.ImportFrom) for node in body)
        draws = re.search(r"\bplt\.|\.axes\b|\baxes\[", "\n".join(map(ast.unparse, body)))
        checks = any(isinstance(node, ast.Assert) for node in body)
        if imports > 2 or draws or checks:
            folded = {"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(tags(cell))
            assert folded, f"cell {cell.id}: tag it hide-input, or remove-cell if it only checks"


@each_chapter
def test_checked_outputs_are_stored(path: Path) -> None:
    r"""A cell marked for comparison without an output compares nothing."""
    marked = [cell for cell in code_cells(path) if notebooks.MARK in tags(cell)]
    assert marked, "no cell of this chapter has its output checked"
    for cell in marked:
        assert "NBVAL" not in cell.source, f"cell {cell.id}: readers need not see the mark"
        assert cell.outputs, f"cell {cell.id} has no stored output: run `make notebooks`"


@each_chapter
def test_says_what_it_teaches_and_asks(path: Path) -> None:
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for wanted in ("After this chapter", "Your turn", "Summary", "What's next"):
        assert wanted in prose, f"the chapter has no part named {wanted!r}"
    assert re.search(r"\bminutes?\b|\bmin\b", prose), "no time to read"
    assert re.search(r"\bseconds?\b|\bs\b", prose), "no time to run"


RUNS = 3  # of a chapter's last runs the quickest counts: a busy machine says nothing of it


@pytest.mark.parametrize("chapter", facts.chapters(), ids=lambda chapter: chapter["file"])
def test_a_chapter_takes_the_time_that_it_promises(chapter: dict) -> None:
    r"""By the rows that `make notebooks` wrote; nothing is timed here."""
    name = chapter["file"].removesuffix(".ipynb")
    took = [row["value"] for row in records.read(notebooks.TIMES) if row["chapter"] == name]
    assert took, f"{name} was never timed: run `make notebooks ONLY={name}`"
    assert min(took[-RUNS:]) <= chapter["seconds"] <= 3 * min(took[-RUNS:]) + 10, took


def test_labels_are_unique_in_the_book() -> None:
    labels: Counter = Counter()
    for path in PATHS:
        for cell in read(path).cells:
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            labels.update([name] if name else [])
            labels.update(re.findall(r"\$\$ *\(([\w-]+)\)$", cell.source, re.MULTILINE))
    assert [label for label, count in labels.items() if count > 1] == []


def test_the_setup_cell_says_what_to_set(tmp_path: Path) -> None:
    r"""Without the package, and while the address is not known, one sentence tells the way out."""
    setup = (ROOT / "book" / "tools" / "setup_cell.py").read_text()
    assert len(setup.splitlines()) <= LONGEST_CELL
    assert f'REPOSITORY = "https://github.com/{repository.current()}"' in setup
    if "-unpublished-" not in repository.current():
        return
    absent = setup.replace('find_spec("ecgan")', 'find_spec("no_such_package")')
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ECGAN_SOURCE", raising=False)
        with pytest.raises(RuntimeError, match="Set ECGAN_SOURCE to a folder"):
            exec(compile(absent, "setup_cell.py", "exec"), {})


def test_the_setup_cell_keeps_torch_and_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    r"""It hands pip the installed versions as constraints, and the source that was set."""
    calls = []

    def record(command: list[str]) -> None:
        constraint = command[command.index("--constraint") + 1]
        calls.append((command, Path(constraint).read_text()))

    monkeypatch.setenv("ECGAN_SOURCE", "/some/where")
    monkeypatch.setattr("subprocess.check_call", record)
    setup = (ROOT / "book" / "tools" / "setup_cell.py").read_text()
    exec(compile(setup, "setup_cell.py", "exec"), {})
    assert calls == [], "where ecgan is installed nothing is to do"
    exec(setup.replace('find_spec("ecgan")', 'find_spec("no_such_package")'), {})
    ((command, kept),) = calls
    assert command[-1] == "/some/where"
    import numpy
    import torch

    assert kept == f"torch=={torch.__version__}\nnumpy=={numpy.__version__}\n"


def test_what_is_cited_stands_in_the_references() -> None:
    references = (ROOT / "book" / "pages" / "references.bib").read_text()
    known = set(re.findall(r"^@\w+\{([^,\s]+),", references, re.MULTILINE))
    texts = [path.read_text() for path in (*PATHS, *(ROOT / "book").rglob("*.md*"))]
    groups = [group for text in texts for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)]
    cited = {key.strip() for group in groups for key in group.split(",")}
    assert len(cited) > 20
    assert cited - known == set()
