r"""A chapter alone, as on Colab: in an empty folder, with a Python that has Colab's usual packages.

That Python is made here without a network: a fresh environment sees those packages of the test
environment that Colab has, and pip finds the others that ecgan needs as wheels in a folder.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.chapters import PATHS, ROOT, read

# From Colab's own list (github.com/googlecolab/backend-info, pip-freeze.txt); their needs come
# along. einops, jaxtyping, safetensors and tyro were not on it: the setup cell must bring them.
COLAB = ("torch", "numpy", "scipy", "scikit-image", "matplotlib", "seaborn", "pillow", "pooch")
COLAB += ("tqdm", "ipykernel", "nbclient", "nbformat", "pip", "setuptools")


def needs(names: tuple[str, ...] | list[str]) -> dict[str, Distribution]:
    r"""The named packages and all that they need, as installed here."""
    found, waiting = {}, [*names]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            wanted = [Requirement(entry) for entry in found[name].requires or []]
            waiting += [w.name for w in wanted if not w.marker or w.marker.evaluate({"extra": ""})]
    return found


def tops(package: Distribution) -> set[Path]:
    r"""The files and folders of a package at the top of site-packages."""
    parts = {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}
    return {Path(package.locate_file(part)) for part in parts}


def as_wheel(package: Distribution, folder: Path) -> None:
    r"""An installed package as a wheel again, so that pip can install it without a network."""
    name = f"{package.name.replace('-', '_')}-{package.version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for file in package.files:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                wheel.write(package.locate_file(file), file.as_posix())


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    r"""The Python, and the environment in which pip does without a network."""
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder / "python", symlinks=True)
    there = needs(COLAB)
    (site,) = (folder / "python").glob("lib/python*/site-packages")
    for path in set().union(*map(tops, there.values())):
        (site / path.name).symlink_to(path)
    (folder / "wheels").mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, package in needs([Requirement(n).name for n in project["dependencies"]]).items():
        if name not in there:
            as_wheel(package, folder / "wheels")
    quiet = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels"), "PYTHONPATH": ""}
    quiet |= {"PIP_NO_BUILD_ISOLATION": "false", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    python = folder / "python" / "bin" / "python"
    return python, {**os.environ, **quiet, "PATH": f"{python.parent}:{os.environ['PATH']}"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    r"""What the repository holds for who installs the package, and nothing else."""
    shutil.copytree(ROOT / "ecgan", tmp_path / "ecgan", ignore=shutil.ignore_patterns("__*__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def imports(path: Path) -> list[str]:
    r"""What a chapter imports anywhere, as lines to run."""
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]
    return [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def test_a_chapter_alone_installs_what_it_needs_and_runs(colab, source: Path) -> None:
    r"""One chapter is run; of the others it must be true that they import nothing else."""
    python, environment = colab

    def run(*command: str | Path, cwd: Path = python.parent) -> subprocess.CompletedProcess:
        r"""Far from this repository, whose folder holds an ecgan."""
        return subprocess.run(
            [python, *command], env=environment, cwd=cwd, capture_output=True, text=True
        )

    here = "import importlib.util as u; print(*(u.find_spec(n) is not None for n in NAMES))"
    here = here.replace("NAMES", "('ecgan', 'tyro')")
    assert run("-c", here).stdout.split() == ["False", "False"]
    ran = run("-m", "book.tools.alone", source, "00_quickstart", cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "00_quickstart ran alone" in ran.stdout
    assert run("-c", here).stdout.split() == ["False", "True"], "it takes ecgan away again"
    environment["PYTHONPATH"] = str(source)
    lines = [line for path in PATHS for line in (f"print({path.stem!r})", *imports(path))]
    imported = run("-c", "\n".join(lines))
    assert imported.returncode == 0, f"{imported.stdout.split()[-1]}: {imported.stderr}"


def test_a_python_that_has_ecgan_is_refused(source: Path) -> None:
    r"""Or the setup cell would have nothing to do, and nothing would be tested."""
    command = [sys.executable, "-m", "book.tools.alone", source, "00_quickstart"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert re.match("ecgan is installed here already", ran.stderr)
