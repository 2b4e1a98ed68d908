r"""A Sphinx extension: the built book carries MathJax with it, so that formulas need no network.

The files come from npm, by the lock file of :mod:`book.tools.npm`. Pages load the parts that set
formulas and say them to screen readers, without MathJax's menu, which weighs as much as the rest.
Where the registry cannot be had, pages fall back to MathJax's public address: the build says so.
"""

import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

from book.tools import npm

START = "startup.js"
LOADED = ("core", "input/tex", "output/chtml", "a11y/assistive-mml")
# What those load in turn when a page is shown: fonts, and further TeX commands where one is used.
FOLDERS = ("output/chtml/fonts", "input/tex/extensions")
SOURCE = Path("mathjax") / "es5"


def use_own_copy(app: Sphinx, config) -> None:
    r"""Let the pages load MathJax from the book's static files."""
    try:
        npm.fetched()
    except npm.FAILURES as error:
        print(f"Formulas will need a network: MathJax is not here ({error}).", file=sys.stderr)
        return
    config.mathjax_path = f"mathjax/{START}"
    config.mathjax3_config = {"loader": {"load": list(LOADED)}}


def copy(app: Sphinx, exception: Exception | None) -> None:
    r"""Put MathJax beside the built pages."""
    own = app.config.mathjax_path == f"mathjax/{START}"
    if exception is not None or not own or app.builder.format != "html":
        return
    source, target = npm.fetched() / SOURCE, Path(app.outdir) / "_static" / "mathjax"
    for file in (START, *(f"{part}.js" for part in LOADED)):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / file, target / file)
    for folder in FOLDERS:
        shutil.copytree(source / folder, target / folder, dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    r"""Register with Sphinx."""
    app.connect("config-inited", use_own_copy)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
