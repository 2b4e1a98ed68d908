r"""Each exercise of each chapter: the stub is told that it is not done, the solution passes, and
typical wrong answers get the hint that helps.

A chapter is covered as soon as it stands in notebooks/; its typical wrong answers are in
`wrong_answers/<chapter>.py`.
"""

import ast
import contextlib
import importlib
import io
import linecache
import re

import matplotlib.pyplot as plt
import pytest
import torch

import ecgan.teaching.exercises as exercises_package
from ecgan.teaching.exercises import ExerciseError, NotYet, check, expect_close, names
from support.chapters import PATHS, Exercise, exercises, needed

CHAPTERS = [path.stem.split("_", 1)[1] for path in PATHS]
EXERCISES = [pytest.param(item, id=item.name) for path in PATHS for item in exercises(path)]
ALL = [name for chapter in CHAPTERS for name in names(chapter)]


def run(code: str, name: str) -> str:
    r"""What the code prints, run like a cell of its own, with errors that show the line."""
    file = f"<{name}>"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, file, "exec"), {"__name__": "__main__", "display": lambda *_: None})
    plt.close("all")
    return printed.getvalue()


@pytest.mark.parametrize("item", EXERCISES)
def test_stub_is_not_yet_done(item: Exercise) -> None:
    last = run(f"{item.before}\n\n{item.stub}", item.name).strip().splitlines()[-1]
    assert last.startswith("Not yet: "), last
    assert "checker could not" not in last
    assert "your code raised" not in last, f"an untouched stub is no mistake: {last}"


@pytest.mark.parametrize("item", EXERCISES)
def test_solution_passes(item: Exercise) -> None:
    code = f"{item.before}\n\n{_imports(item.stub)}\n\n{item.solution}"
    printed = [line for line in run(code, item.name).splitlines() if line]
    assert printed
    assert printed[-1].startswith("Pass: "), printed[-1]
    assert not any(line.startswith("Not yet") for line in printed), printed


def _imports(stub: str) -> str:
    nodes = [n for n in ast.parse(stub).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return "\n".join(map(ast.unparse, nodes))


@pytest.mark.parametrize("name", ALL)
def test_wrong_answers_get_their_hint(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = importlib.import_module(f"wrong_answers.{name.split('.')[0]}").WRONG.get(name, [])
    assert len(wrong) >= 2, f"tests/wrong_answers needs two typical wrong answers to {name}"
    for answer, hint in wrong:
        check(name, *(answer if isinstance(answer, tuple) else (answer,)))
        said = capsys.readouterr().out
        assert said.startswith("Not yet: "), said
        assert hint in said
        assert "checker could not" not in said


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_checker_has_its_exercise_and_chapters_have_three(chapter: str) -> None:
    path = PATHS[CHAPTERS.index(chapter)]
    asked = [item.name for item in exercises(path)]
    assert sorted(asked) == sorted(names(chapter))
    headings = re.findall(r"### Exercise \d+", path.read_text())
    assert len(headings) >= 3, "a chapter has at least three exercises, open ones included"


# The framework itself, on an exercise of its own.


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> str:
    def checker(answer):
        expect_close(answer(torch.arange(3)), [0, 2, 4], "Twice.", what="the doubled tensor")
        return "twice it is."

    name = "layouts.framework_test"
    monkeypatch.setitem(exercises_package._CHECKERS, name, checker)
    return name


def _half_done(x): ...


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: 2 * x, "Pass: twice it is.\n"),
        (..., "Not yet: nothing is filled in"),
        (None, "Not yet: nothing is filled in"),
        (_half_done, "Not yet: `_half_done` returns nothing"),
        (lambda x: 3 * x, "Not yet: the doubled tensor differs in 2 of 3 values. Twice."),
        (lambda x: 2 * x[:2], "has shape (2,), where (3,) is wanted. Twice."),
        (lambda x: "two", "is a str, where numbers are wanted"),
        (lambda x: x * float("nan"), "holds 3 NaN"),
        (lambda x: torch.cat([x, "a"]), "Not yet: your code raised TypeError"),
    ],
)
def test_check_says_what_is_wrong(answer, said, double, capsys) -> None:
    check(double, answer)
    assert said in capsys.readouterr().out


def test_an_error_is_shown_with_the_students_line(double, capsys) -> None:
    code = "def answer(x):\n    y = x + 1\n    return y[7]\n"
    run(code, "cell")
    space: dict = {}
    exec(compile(code, "<cell>", "exec"), space)
    check(double, space["answer"])
    assert "IndexError" in (said := capsys.readouterr().out)
    assert "(line 3: `return y[7]`)" in said


def test_a_misspelt_name_is_the_callers_error() -> None:
    with pytest.raises(ExerciseError, match=r"there is no exercise 'nowhere\.thin'"):
        check("nowhere.thin", 1)


def test_expect_close_tells_a_number() -> None:
    with pytest.raises(NotYet, match=r"your answer is 3, which is not right. Count again."):
        expect_close(3, 4, "Count again.")
    expect_close(4.00001, 4, "")


def test_needed_cells() -> None:
    above = ["import torch", "x = torch.ones(2)", "y = 5", "x.add_(1)", "print(y)", "z = x + 1"]
    assert needed(above, "check(z)") == "\n\n".join([above[i] for i in (0, 1, 3, 5)])
    assert needed(above, "y = 1\ncheck(y)") == ""
