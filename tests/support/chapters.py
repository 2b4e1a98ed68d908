r"""What several tests read from the chapters: cells, exercises, what those stand on."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(
    r'<details class="solution">\n<summary>Solution</summary>\n\n(.*)\n\n</details>', re.DOTALL
)
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    r"""One exercise of a chapter: its stub, its solution, and the code above that both need."""

    name: str
    stub: str
    solution: str
    before: str


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def exercises(path: Path) -> list[Exercise]:
    r"""The chapter's exercises, with an error that names the cell where the form is not kept."""
    cells, found = read(path).cells, []
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or "exercise" not in tags(cell):
            continue
        place = f"{path.name}, cell {cell.id}"
        names = re.findall(r'^check\(\s*"([\w.]+)"', cell.source, re.MULTILINE)
        assert len(names) == 1, f'{place}: a stub calls check("...", ...) exactly once'
        following = cells[index + 1].source if index + 1 < len(cells) else ""
        solution = SOLUTION.search(following)
        assert solution, f"{place}: the next cell must hold the folded solution"
        code = "\n".join(PYTHON_BLOCK.findall(solution.group(1)))
        assert f'check("{names[0]}"' in code, f"{place}: the solution must call the same check"
        code_above = [cell for cell in cells[:index] if cell.cell_type == "code"]
        above = [cell.source for cell in code_above if "setup" not in tags(cell)]
        found.append(Exercise(names[0], cell.source, code, needed(above, cell.source, code)))
    return found


def needed(above: list[str], *uses: str) -> str:
    r"""Those of the cells above that the given code stands on, in their order.

    A cell is needed if it binds a name that is used later, or works on such a name in place
    (`model.eval()`, `rows.append(x)`, `table["a"] = 1`). The rest of the chapter need not run.
    """
    wanted = set().union(*(_free(use) for use in uses))
    kept: list[str] = []
    for source in reversed(above):
        bound = _bound(source)
        if wanted & (bound | _worked_on(source)):
            wanted = (wanted - bound) | _free(source)
            kept.append(source)
    return "\n\n".join(reversed(kept))


def _bound(source: str) -> set[str]:
    r"""The names that a cell binds at its top level, inside `if`, `for` and `with` too."""
    names: set[str] = set()
    for node in _outside_functions(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def _free(source: str) -> set[str]:
    r"""The names that a cell reads before it binds them itself, functions' bodies included."""
    free: set[str] = set()
    bound: set[str] = set()
    for statement in ast.parse(source).body:
        loads = {
            node.id
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            loads.add(statement.target.id)
        free |= loads - bound
        bound |= _bound(ast.unparse(statement))
    return free


def _worked_on(source: str) -> set[str]:
    r"""The names that a cell changes in place: by a bare method call, or by assigning into them."""
    names: set[str] = set()
    for node in _outside_functions(ast.parse(source)):
        target = node.value.func if _is_bare_call(node) else node
        stored = isinstance(target, ast.Attribute | ast.Subscript) and (
            target is not node or isinstance(target.ctx, ast.Store)
        )
        while stored and isinstance(target, ast.Attribute | ast.Subscript | ast.Call):
            target = target.func if isinstance(target, ast.Call) else target.value
        if stored and isinstance(target, ast.Name):
            names.add(target.id)
    return names


def _is_bare_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _outside_functions(node: ast.AST):
    r"""Every node but those inside functions, classes, lambdas and comprehensions."""
    inner = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp)
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*inner, ast.GeneratorExp)):
            yield from _outside_functions(child)
