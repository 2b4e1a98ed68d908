r"""A Sphinx extension: what only the build knows, as substitutions `{{ versions }}` and so on.

The status page says what built the book, the page for teachers what each chapter needs. Nobody
types these: versions and commit are looked up, the needs are read from the chapters' first cells.
"""

import os
import platform
import re
import subprocess
from importlib.metadata import version

import nbformat
from sphinx.application import Sphinx

from book import ROOT

PACKAGES = ("ecgan", "torch", "numpy", "einops", "jaxtyping", "matplotlib", "seaborn")
PACKAGES += ("scikit-image", "scipy", "safetensors", "papermill", "jupyter-book", "Sphinx")
TIME = re.compile(r"\*\*Time:?\*\*:? (\d+) minutes to read.*?about (\d+) seconds to run", re.DOTALL)
NEEDS = re.compile(r"\*\*You should know\*\* (.*?)\*\*Time", re.DOTALL)
LINK = re.compile(r"\((\d\d\w?_\w+\.ipynb)\)")


def git(*arguments: str) -> str:
    r"""What git says; nothing where it cannot be asked, as in a downloaded archive."""
    try:
        command = ["git", *arguments]
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked.stdout.strip()


def commit() -> str:
    r"""The commit that the book was built from, its date, and whether files were changed since."""
    found = git("log", "-1", "--format=`%h` of %cs")
    if not found:
        return "not under version control"
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"{found}, with changes that are not committed" if changed else found


def versions() -> str:
    r"""A table of what the book was built with."""
    rows = [("Python", platform.python_version())]
    rows += [(name, version(name)) for name in PACKAGES]
    rows.append(("machine", f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores"))
    return "\n".join(["| part | version |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])


def chapters() -> list[dict]:
    r"""Of each chapter: file, title, times to read and run, what it builds on, exercises."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        opening = cells[0].source
        time, needs = TIME.search(opening), NEEDS.search(opening)
        if time is None or needs is None:
            raise ValueError(f"{path.name}: the first cell names no prerequisites or no time")
        found.append(
            {
                "file": path.name,
                "title": opening.splitlines()[0].removeprefix("# "),
                "minutes": int(time.group(1)),
                "seconds": int(time.group(2)),
                "needs": LINK.findall(needs.group(1)),
                "exercises": sum("exercise" in cell.metadata.get("tags", []) for cell in cells),
            }
        )
    return found


def _number(file: str) -> str:
    r"""What a chapter's file begins with, such as "03", or "00b" of the primer."""
    return file.split("_", 1)[0]


def needs_table() -> str:
    r"""A table of what each chapter needs."""
    lines = ["| chapter | builds on | read, min | run, s | checked exercises |"]
    lines.append("| --- | --- | ---: | ---: | ---: |")
    for chapter in (all_of_them := chapters()):
        number = _number(chapter["file"])
        needs = ", ".join(f"[{_number(name)}](../../notebooks/{name})" for name in chapter["needs"])
        title = f"[{number} {chapter['title']}](../../notebooks/{chapter['file']})"
        lines.append(
            f"| {title} | {needs or '–'} | "
            f"{chapter['minutes']} | {chapter['seconds']} | {chapter['exercises']} |"
        )
    sums = [sum(chapter[key] for chapter in all_of_them) for key in ("minutes", "seconds")]
    exercises = sum(chapter["exercises"] for chapter in all_of_them)
    lines.append(f"| all | | {sums[0]} | {sums[1]} | {exercises} |")
    return "\n".join(lines)


def substitute(app: Sphinx, config) -> None:
    r"""Hand the facts to the pages."""
    facts = {"commit": commit(), "versions": versions(), "needs_table": needs_table()}
    config.myst_substitutions = {**config.myst_substitutions, **facts}


def setup(app: Sphinx) -> dict[str, bool]:
    r"""Register with Sphinx, before MyST reads its settings."""
    app.connect("config-inited", substitute, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
