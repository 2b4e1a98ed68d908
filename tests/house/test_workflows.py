r"""What runs on GitHub: pinned, with few rights, by commands that exist, and able to fail."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.chapters import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
LINE = re.compile(r"^\s*(?:- )?uses: (\S+) # v\d+\.\d+\.\d+$", re.MULTILINE)
RIGHTS = {("book.yml", "deploy"): {"pages": "write", "id-token": "write"}}

each_workflow = pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in WORKFLOWS])


def read(path: Path) -> dict:
    r"""A workflow; YAML takes its key `on` for True."""
    found = yaml.safe_load(path.read_text())
    return {("on" if key is True else key): value for key, value in found.items()}


def steps(path: Path) -> Iterator[dict]:
    for job in read(path)["jobs"].values():
        yield from job["steps"]


def uses(path: Path) -> list[str]:
    return [step["uses"] for step in steps(path) if "uses" in step]


def keys(value) -> Iterator[str]:
    r"""Every key, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_there_are_the_three_that_the_status_page_names() -> None:
    assert [path.stem for path in WORKFLOWS] == ["book", "colab", "tests"]


@each_workflow
def test_actions_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    used = uses(path)
    assert used
    assert all(PINNED.fullmatch(action) for action in used), used
    assert LINE.findall(path.read_text()) == used, "behind each commit stands its version"
    commits = dict(action.split("@") for other in WORKFLOWS for action in uses(other))
    assert all(commits[action.split("@")[0]] == action.split("@")[1] for action in used)


@each_workflow
def test_rights_are_the_least(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions") == RIGHTS.get((path.name, name))
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text()


@each_workflow
def test_a_failure_fails(path: Path) -> None:
    r"""No step is excused, skipped by a condition, or made to end well; none runs forever."""
    found = set(keys(read(path)))
    assert not found & {"continue-on-error", "if", "shell"}
    for step in steps(path):
        assert not re.search(r"\|\||;|set \+e|exit 0", step.get("run", ""))
    assert all(job["timeout-minutes"] <= 90 for job in read(path)["jobs"].values())


@each_workflow
def test_commands_exist(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in (step["run"] for step in steps(path) if "run" in step):
        program, *words = command.split()
        if program == "make":
            assert words[0] in targets, command
        else:
            assert program == "python3", command
            assert words[0] == "-m", command
            module = ROOT.joinpath(*words[1].split(".")).with_suffix(".py")
            assert words[1] == "pip" or module.is_file(), command


def test_tests_run_on_each_python_and_change() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "tests.yml")
    assert workflow["on"] == {"push": {"branches": ["main"]}, "pull_request": None}
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert any(step.get("run") == "make test" for step in job["steps"])


def test_the_book_that_is_put_online_is_the_one_that_was_built() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "book.yml")
    assert workflow["jobs"]["deploy"]["needs"] == "build"
    build = workflow["jobs"]["build"]["steps"]
    assert [step["run"] for step in build if "run" in step] == ["make book"]
    assert build[-1]["with"]["path"] == "_build/html"


def test_colab_is_tried_once_a_week_in_its_own_image() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "colab.yml")
    (timed,) = workflow["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", timed["cron"])
    job = workflow["jobs"]["chapters"]
    assert job["container"]["image"].startswith("us-docker.pkg.dev/colab-images/public/")
    assert job["steps"][-1]["run"] == "python3 -m book.tools.alone ."
