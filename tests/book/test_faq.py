r"""Every message that a user can meet has an entry among the questions, which a search finds."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ecgan.data.doctor.findings import MESSAGES
from support.chapters import ROOT

FAQ = ROOT / "book" / "pages" / "faq.md"
# What commands call; who writes Python of their own meets more.
FLOORS = ("cli", "data", "files", "training", "evaluation", "readers")
FILES = ("weights/checkpoint.py", "weights/named.py", "weights/onnx.py")
NOT_BY_COMMAND = ("data/plans.py", "training/step.py")
RUN = 3  # words in a row that somebody would search for


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9%]+", " ", text.lower()).split()


def sources() -> Iterator[Path]:
    package = ROOT / "ecgan"
    for floor in FLOORS:
        yield from sorted((package / floor).rglob("*.py"))
    yield from (package / name for name in FILES)


def messages() -> Iterator[tuple[str, list[list[str]]]]:
    r"""Each sentence that is raised, as the runs of words between its values, with its place."""
    for path in sources():
        name = path.relative_to(ROOT / "ecgan").as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            raised = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
            if raised and node.exc.args and name not in NOT_BY_COMMAND:
                said = node.exc.args[0]
                parts = said.values if isinstance(said, ast.JoinedStr) else [said]
                fixed = [part.value for part in parts if isinstance(part, ast.Constant)]
                runs = [words(text) for text in fixed if isinstance(text, str)]
                if any(len(run) >= RUN for run in runs):
                    yield f"{name}:{node.lineno}", runs


def found(run: list[str], text: str) -> bool:
    pieces = [run[start : start + RUN] for start in range(len(run) - RUN + 1)]
    return any(f" {' '.join(piece)} " in text for piece in pieces)


def test_each_message_has_an_entry() -> None:
    text = f" {' '.join(words(FAQ.read_text()))} "
    there = dict(messages())
    lacking = {
        place: " ... ".join(map(" ".join, runs))
        for place, runs in there.items()
        if not any(found(run, text) for run in runs)
    }
    assert not lacking, "\n".join(f"{place}: {said}" for place, said in lacking.items())
    assert len(there) > 100


def test_each_finding_of_the_doctor_has_an_entry() -> None:
    text = FAQ.read_text()
    kinds = set(MESSAGES)
    for path in sorted((ROOT / "ecgan/data/doctor").glob("*.py")):
        kinds |= set(re.findall(r'kind="([\w. ]+)"', path.read_text()))
    kinds |= {"links as text", "files passed over"}
    assert [kind for kind in sorted(kinds) if f'"{kind}"' not in text] == []
