r"""The house in order: what is installed, where the address stands, what no file may hold."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book.tools import build, repository
from support.chapters import ROOT


def tracked() -> list[Path]:
    r"""The files under version control, or, without git, those that would be."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


# Installing: three lists of packages that say the same.


def bounds() -> dict[str, Requirement]:
    r"""What pyproject.toml asks for, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(name for extra in extras.values() for name in extra)]
    return {canonicalize_name(Requirement(name).name): Requirement(name) for name in listed}


def locked_bounds() -> dict[str, Requirement]:
    r"""The part of it that the lock must hold: the package and the extras that `make` installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.search(r"^LOCKED_EXTRAS := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    chosen = [project["optional-dependencies"][extra] for extra in extras.group(1).split(",")]
    listed = [*project["dependencies"], *(name for extra in chosen for name in extra)]
    return {canonicalize_name(Requirement(name).name): Requirement(name) for name in listed}


def lock() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def conda() -> dict[str, Requirement]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (inner,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    parsed = [Requirement(entry) for entry in inner if entry != "-e ."]
    return {canonicalize_name(entry.name): entry for entry in parsed}


OWNERS_LIST = ["jupyter", "jupyter-book", "torch", "matplotlib"]
OWNERS_LIST += ["seaborn", "papermill", "nbval", "einops"]


@pytest.mark.parametrize("name", OWNERS_LIST)
def test_what_was_asked_for_is_in_all_three_lists(name: str) -> None:
    assert name in locked_bounds()
    assert name in lock()
    assert name in conda()


def test_the_lock_holds_a_pin_within_the_bounds_for_each_dependency() -> None:
    for name, wanted in locked_bounds().items():
        assert name in lock(), f"{name} is not in requirements.lock: run `make lock`"
        assert wanted.specifier.contains(lock()[name]), f"{wanted} against {lock()[name]}"


def test_pins_of_the_lock_satisfy_every_extra_and_name_no_machine() -> None:
    for name, wanted in bounds().items():
        if name in lock():
            assert wanted.specifier.contains(lock()[name]), f"{wanted} against {lock()[name]}"
    for version in lock().values():
        assert re.fullmatch(r"[\w.]+", version), f"a local or odd version: {version}"


def test_conda_asks_for_the_same_bounds() -> None:
    wanted = {name: str(entry.specifier) for name, entry in locked_bounds().items()}
    assert {name: str(entry.specifier) for name, entry in conda().items()} == wanted


def test_bounds_of_the_package_are_lower_bounds() -> None:
    r"""An upper bound could make Colab change its torch or numpy."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for entry in map(Requirement, project["dependencies"]):
        assert [s.operator for s in entry.specifier] == [">="], entry


def test_python_is_the_same_in_all_places() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11"
    assert project["tool"]["ruff"]["target-version"] == "py311"
    assert "python>=3.11" in (ROOT / "environment.yml").read_text()
    assert "version_info < (3, 11)" in (ROOT / "Makefile").read_text()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_an_old_python_is_told_in_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["make", "--silent", "check-python", f"PYTHON={old}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode != 0
    assert told.stdout.splitlines()[0].startswith("Python 3.11 or newer is needed")
    new = subprocess.run([*command[:-1], f"PYTHON={sys.executable}"], cwd=ROOT, check=False)
    assert new.returncode == 0


# Addresses, licences, traces of machines.


def test_the_address_is_the_same_everywhere() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    address = f"https://github.com/{repository.current()}"
    assert config["repository"]["url"] == address
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == address
    assert address in (ROOT / "README.md").read_text()
    stands = re.compile(r"https://(?:colab\.\S+?/)?github(?:\.com)?/([\w-]+/ecgan)\b")
    for path in tracked():
        if path.suffix in {".md", ".ipynb", ".py", ".yml", ".cff", ".toml"}:
            assert set(stands.findall(path.read_text())) <= {repository.current()}, path.name


@pytest.mark.parametrize(
    "url", ["https://github.com/some-one/e.book", "https://github.com/a/b.git"]
)
def test_a_new_address_is_written_everywhere(url: str, tmp_path: Path, monkeypatch) -> None:
    old = repository.current()
    copies = []
    for path in repository.holders():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        copies.append(copy)
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    repository.main(url)
    new = url.removeprefix("https://github.com/").removesuffix(".git")
    assert repository.current() == new
    for copy in copies:
        assert f"{old}" not in copy.read_text(), copy
    assert new in (tmp_path / "book" / "tools" / "setup_cell.py").read_text()


@pytest.mark.parametrize(
    "url", ["", "github.com/a/b", "https://example.org/a/b", "https://github.com/a"]
)
def test_an_odd_address_is_refused(url: str) -> None:
    with pytest.raises(SystemExit, match="is no address of the form"):
        repository.main(url)


def test_licences() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert "Attribution 4.0 International" in (ROOT / "LICENSE-text").read_text()
    readme = (ROOT / "README.md").read_text()
    assert "MIT (`LICENSE`)" in readme
    assert "CC BY 4.0 (`LICENSE-text`)" in readme


def test_no_file_names_a_machine() -> None:
    places = re.compile(r"(?<![\w.:/])/(?:work|root|home|Users|opt|mnt)/\w")
    for path in tracked():
        if path.suffix in {".png", ".safetensors", ".npz", ".jpg"} or path == Path(__file__):
            continue
        found = places.search(path.read_text(errors="replace"))
        assert found is None, f"{path.relative_to(ROOT)}: {found}"


HELPERS = {"lazy", "ranges", "options"}  # too small for a line


def test_the_map_is_the_tree() -> None:
    r"""Every floor of the package and every room of the book has its line, and no other."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text[text.index("| of the package") : text.index("## Rules that")]
    named = re.findall(r"`(\w+)/?`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    there = {path.stem for path in (ROOT / "ecgan").iterdir() if not path.name.startswith("_")}
    assert set(named) == there - HELPERS
    rooms = {path.name for path in (ROOT / "book").iterdir() if not path.name.startswith("_")}
    assert rooms == set(re.findall(r"`book/(\w+)/`", text))


def test_the_quick_loop_is_a_part_of_the_whole() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (checked,) = re.findall(r"^CHECKED := (.+)$", makefile, re.MULTILINE)
    assert {"method", "fast", "data", "house"} <= set(checked.split())
    left_out = {
        "book",
        "fuzz",
        "training",
        "device",
        "evaluation",
        "experiments",
        "teaching",
        "support",
    }
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders <= set(checked.split()) | left_out, "say of the new folder whether it is quick"
    assert not set(checked.split()) & left_out


MACHINES = {"apt", "apt-get", "brew", "conda", "mount", "sudo", "umount", "unshare"}
INSTALLERS = {"tests/support/browser.py", "tests/book/test_browser.py", "tests/house/test_house.py"}


def test_tests_leave_the_machine_as_it_is() -> None:
    r"""No test starts a program that installs or mounts; Chromium has its one place for that."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text()))
        said = {node.value for node in nodes if isinstance(node, ast.Constant)}
        if path.relative_to(ROOT).as_posix() not in INSTALLERS:
            assert not said & MACHINES, f"{path.relative_to(ROOT)}: {said & MACHINES}"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_files_that_are_named_exist(page: str) -> None:
    r"""Those in code type with an ending or a final slash; NAME in capitals stands for yours."""
    endings = r"\.py|\.md|\.toml|\.ipynb|\.bib|\.ya?ml|\.lock|\.cff|/"
    named = re.findall(rf"`([\w./-]+?(?:{endings}))`", (ROOT / page).read_text())
    named = [name for name in named if not re.search(r"NAME|NN_|name\.py|^(images|labels)/", name)]
    places = ("", "notebooks", "ecgan", ".github/workflows")
    for name in named:
        assert any((ROOT / place / name).exists() for place in places), f"{page}: {name}"
    assert len(named) > 5


def test_exercises_that_teachers_are_told_of_exist() -> None:
    told = re.findall(r"exercise \*([^*]+)\*", (ROOT / "book" / "pages" / "teach.md").read_text())
    chapters = "".join(path.read_text() for path in sorted((ROOT / "notebooks").glob("*.ipynb")))
    for title in told:
        assert re.search(rf"### Exercise \d[^:]*: {title}", chapters), title
    assert len(told) > 3


LARGE = {"aerial.safetensors": 11e6}  # the one network that was trained on photographs


def test_no_file_is_large() -> None:
    for path in tracked():
        assert path.stat().st_size <= LARGE.get(path.name, 5e6), path.name


def test_ruff_finds_nothing() -> None:
    command = [sys.executable, "-m", "ruff", "check", "."]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_books_cache_notices_the_package_and_the_lock(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    package, lock_file = tmp_path / "ecgan" / "edges.py", tmp_path / "requirements.lock"
    rows = tmp_path / "ecgan" / "experiments" / "results" / "ablation" / "whole.0.jsonl"
    prints = []
    for path in (lock_file, package, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        for text in ("a", "b"):
            path.write_text(text)
            prints.append(build.fingerprint())
    assert len(set(prints)) == 6
    (tmp_path / "ecgan" / "__pycache__").mkdir()
    (tmp_path / "ecgan" / "__pycache__" / "edges.pyc").write_text("compiled")
    (tmp_path / "README.md").write_text("prose")
    assert build.fingerprint() == prints[-1]


def test_test_files_have_names_of_their_own() -> None:
    r"""Of two files of one name pytest takes the first, and leaves the other's tests out."""
    names = [path.name for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    assert sorted(set(names)) == sorted(names)
