r"""Run chapters as a stranger does: each copied alone into an empty folder, ecgan not installed.

`python -m book.tools.alone SOURCE` runs them all in the Python it is started with, such as Colab's,
and `python -m book.tools.alone SOURCE 00_quickstart` runs one. SOURCE is what the setup cell may
install: a copy of this repository. The package is uninstalled again after each chapter.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from book import ROOT

FOLDER = ROOT / "notebooks"
FIND = "import importlib.util, sys; sys.exit(importlib.util.find_spec('ecgan') is not None)"
UNINSTALL = [sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", "ecgan"]


def run(chapter: Path) -> None:
    r"""Run a copy of one chapter in an empty folder; an error in a cell is an error here."""
    with tempfile.TemporaryDirectory() as empty:
        if subprocess.run([sys.executable, "-c", FIND], cwd=empty, check=False).returncode:
            sys.exit("ecgan is installed here already: the setup cell would have nothing to do")
        copy = shutil.copy(chapter, empty)
        place = {"metadata": {"path": empty}}
        NotebookClient(nbformat.read(copy, as_version=4), timeout=900, resources=place).execute()


def main(source: str, names: list[str]) -> None:
    r"""Run the named chapters, or all, and say which."""
    os.environ["ECGAN_SOURCE"], os.environ["ECGAN_QUIET"] = str(Path(source).resolve()), "1"
    for chapter in [FOLDER / f"{name}.ipynb" for name in names] or sorted(FOLDER.glob("*.ipynb")):
        run(chapter)
        subprocess.run(UNINSTALL, check=True)
        print(f"{chapter.stem} ran alone", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m book.tools.alone SOURCE [CHAPTER ...]")
    main(sys.argv[1], sys.argv[2:])
