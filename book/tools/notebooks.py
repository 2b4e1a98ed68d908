r"""Put the chapters in order and run them in place: `make notebooks`, or one with ONLY=02_edges.

Of the outputs only those stay that the tests compare, in cells tagged `nbval-check-output`; the
book makes the others when it is built. The setup cell and the link to Colab are written from here.
Each run adds a row to notebooks/times.jsonl, which the times that chapters promise are held to.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from book import BOOK, ROOT
from book.tools.repository import current
from ecgan.files import records

FOLDER = ROOT / "notebooks"
SETUP = (BOOK / "tools" / "setup_cell.py").read_text().strip()
TIMES = FOLDER / "times.jsonl"
LINK = "[Run this chapter on Colab]"
MARK = "nbval-check-output"
KEPT_METADATA = ("tags", "mystnb")
SETUP_LABEL = {"code_prompt_show": "Show the setup cell", "code_prompt_hide": "Hide it"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def colab_link(path: Path) -> str:
    r"""The line under a chapter's title that opens it on Colab."""
    page = f"{current()}/blob/main/notebooks/{path.name}"
    return f"{LINK}(https://colab.research.google.com/github/{page})"


def tidy(notebook: NotebookNode, link: str) -> NotebookNode:
    r"""The notebook as it is kept: the setup cell's text, the link, outputs only where marked."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    title, *rest = notebook.cells[0].source.splitlines()
    rest = [line for line in rest if not line.startswith(LINK)]
    body = "\n".join(rest).strip()
    notebook.cells[0].source = "\n\n".join(part for part in (title, link, body) if part)
    number = 0
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in KEPT_METADATA if cell.metadata.get(key)}
        cell.metadata = nbformat.from_dict(kept)
        cell.pop("attachments", None)
        if cell.cell_type == "code":
            number += 1
            if "setup" in cell.metadata.get("tags", []):
                cell.source = SETUP
                cell.metadata.mystnb = nbformat.from_dict(SETUP_LABEL)
            _keep_checked_output(cell, number)
    return notebook


def _keep_checked_output(cell: NotebookNode, number: int) -> None:
    r"""What a marked cell printed or showed, with its place as the count; nothing of the others."""
    marked = MARK in cell.metadata.get("tags", [])
    cell.outputs = [out for out in cell.outputs if marked and out.get("name") != "stderr"]
    cell.execution_count = number if cell.outputs else None
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = number


def run(path: Path) -> dict:
    r"""Run one chapter from top to bottom and write it back; how long that took."""
    notebook = tidy(nbformat.read(path, as_version=4), colab_link(path))
    place = {"metadata": {"path": FOLDER}}
    start = time.perf_counter()
    NotebookClient(notebook, timeout=600, coalesce_streams=True, resources=place).execute()
    seconds = round(time.perf_counter() - start, 1)
    nbformat.write(tidy(notebook, colab_link(path)), path)
    machine = {"clock": "wall", "device": f"{os.cpu_count()} cores"}
    found = {"chapter": path.stem, "metric": "run", "value": seconds, "unit": "s", **machine}
    return found | {"commit": records.commit(), "versions": records.versions()}


def main(names: list[str]) -> None:
    r"""Run the named chapters, or all."""
    os.environ["ECGAN_QUIET"] = "1"
    paths = [FOLDER / f"{name}.ipynb" for name in names] or sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        if not path.is_file():
            known = ", ".join(found.stem for found in sorted(FOLDER.glob("*.ipynb")))
            sys.exit(f"there is no chapter {path.stem}; there are {known}")
        print(f"running {path.stem}", flush=True)
        records.append(TIMES, [run(path)])


if __name__ == "__main__":
    main(sys.argv[1:])
