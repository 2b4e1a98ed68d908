r"""Build what is published and try it: `make release`.

A source archive and a wheel go into dist/, for the version that the package and CHANGELOG.md agree
on. Their descriptions are checked, and so is what the wheel holds. Then the wheel is installed into
an empty environment, where, far from this folder and without a network, it runs the lines of Python
that the README shows: they paint a street, and a city where the weights for it ship.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

import ecgan
from book import ROOT

DIST = ROOT / "dist"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHIPPED = re.compile(r'shipped\("(\w+)"\)')
PAINTED = re.compile(r'save_png\("([\w.]+)"')
DATA = {".safetensors", ".json", ".jsonl", ".yaml", ".sha256", ".py"}
NO_NETWORK = """import socket
def refuse(*_): raise OSError("the release must not need a network")
socket.socket.connect = socket.getaddrinfo = refuse
"""


def noted(version: str, text: str) -> str:
    r"""What the changelog says of a version; the program ends where that is nothing."""
    found = re.search(rf"^## {re.escape(version)}\b.*?\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if found is None or not found.group(1).strip():
        sys.exit(f"CHANGELOG.md says nothing of version {version}: write it under '## {version}'")
    return found.group(1).strip()


def missing(wheel: Path, package: Path) -> list[str]:
    r"""The files of the package that a wheel lacks: code, weights, rows, settings, sums."""
    files = (path for path in package.rglob("*") if path.suffix in DATA)
    wanted = {path.relative_to(package.parent).as_posix() for path in files}
    with zipfile.ZipFile(wheel) as opened:
        return sorted(wanted - set(opened.namelist()))


def promised(readme: str, there: set[str]) -> list[str]:
    r"""The README's blocks of Python that paint, but those whose networks do not ship yet."""
    blocks = [block for block in BLOCK.findall(readme) if PAINTED.search(block)]
    return [block for block in blocks if set(SHIPPED.findall(block)) <= there]


def build() -> Path:
    r"""Source archive and wheel in an emptied dist/, checked; the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "build", "--outdir", DIST, ROOT], check=True)
    files = sorted(DIST.iterdir())
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    (wheel,) = DIST.glob("*.whl")
    if lacking := missing(wheel, ROOT / "ecgan"):
        sys.exit(f"{wheel.name} lacks {', '.join(lacking)}: see package-data in pyproject.toml")
    return wheel


def try_out(wheel: Path) -> None:
    r"""Install the wheel into an empty environment and run what the README promises."""
    there = {path.stem for path in (ROOT / "ecgan" / "weights").glob("*.safetensors")}
    blocks = promised((ROOT / "README.md").read_text(), there)
    with tempfile.TemporaryDirectory() as place:
        venv.create(Path(place) / "python", with_pip=True)
        python = Path(place) / "python" / "bin" / "python"
        quiet = ["--quiet", "--disable-pip-version-check"]
        # Else pip takes what this path shows for installed.
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([python, "-m", "pip", "install", *quiet, wheel], env=clean, check=True)
        for block in blocks:
            subprocess.run([python, "-c", NO_NETWORK + block], cwd=place, env=clean, check=True)
            for name in PAINTED.findall(block):
                print(f"{name}: {(Path(place) / name).stat().st_size} bytes, without a network")


def main() -> None:
    r"""Builds, checks, tries; says what stands in dist/."""
    print(noted(ecgan.__version__, (ROOT / "CHANGELOG.md").read_text()))
    wheel = build()
    try_out(wheel)
    print(*(f"dist/{path.name}" for path in sorted(DIST.iterdir())), sep="\n")


if __name__ == "__main__":
    main()
