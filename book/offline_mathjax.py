r"""A Sphinx extension: the built book carries MathJax with it, so that formulas need no network.

The files come from the package `django-static-mathjax`, which is MathJax as published and needs no
Django. Pages load the parts that set formulas and say them to screen readers, without MathJax's
menu, which weighs as much as the rest. Without the package, they fall back to its public address.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

START = "startup.js"
LOADED = ("core", "input/tex", "output/chtml", "a11y/assistive-mml")
# What those load in turn when a page is shown: fonts, and further TeX commands where one is used.
FOLDERS = ("output/chtml/fonts", "input/tex/extensions")


def mathjax_folder() -> Path | None:
    r"""Where the package keeps MathJax, None without the package."""
    package = find_spec("mathjax")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "static" / "mathjax" / "es5"


def use_own_copy(app: Sphinx, config) -> None:
    r"""Let the pages load MathJax from the book's static files."""
    if mathjax_folder() is not None:
        config.mathjax_path = f"mathjax/{START}"
        config.mathjax3_config = {"loader": {"load": list(LOADED)}}


def copy(app: Sphinx, exception: Exception | None) -> None:
    r"""Put MathJax beside the built pages."""
    source = mathjax_folder()
    if exception is not None or source is None or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / "mathjax"
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
