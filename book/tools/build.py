r"""Build the book, with warnings as errors, into _build/html.

Chapters run once and their outputs are kept in a cache. The cache notices a changed chapter but not
a changed package, so it is dropped here when the package or the locked versions differ from those
that filled it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from book import ROOT
from book.tools import paint_assets

BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
FILLED_BY = BUILD / "cache-filled-by"


def fingerprint() -> str:
    r"""A hash of all that a chapter's outputs depend on besides the chapter itself."""
    package = (ROOT / "ecgan").rglob("*")  # the weights and the rows of the experiments included
    speed = (ROOT / "benchmarks").glob("results/*.jsonl")  # what chapter 09 reads
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted([*package, *speed, ROOT / "requirements.lock"]):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def build() -> int:
    r"""Write every page of the book; jupyter-book's exit status."""
    now = fingerprint()
    if not FILLED_BY.is_file() or FILLED_BY.read_text() != now:
        shutil.rmtree(CACHE, ignore_errors=True)
    # Pages are written anew each time: a page that is kept would keep its warnings to itself.
    for stale in ("html", ".doctrees"):
        shutil.rmtree(BUILD / stale, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    FILLED_BY.write_text(now)
    paint_assets.prepare()
    return jupyter_book()


def jupyter_book(*options: str) -> int:
    r"""Run jupyter-book with warnings as errors; its exit status."""
    environment = {**os.environ, "ECGAN_QUIET": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    environment.pop("MPLBACKEND", None)  # the kernel's own backend puts figures into the page
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", ROOT, "-W", "--keep-going", *options]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(build())
