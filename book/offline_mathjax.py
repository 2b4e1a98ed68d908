r"""A Sphinx extension: the built book carries MathJax with it, so that formulas need no network.

The files come from the package `django-static-mathjax`, which is MathJax as published and needs no
Django. Where it is not installed, the pages fall back to MathJax's public address.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

START = "tex-mml-chtml.js"
# What that file loads when a page is shown: fonts, further TeX commands, the menu, speech.
PARTS = (START, "output/chtml/fonts", "input/tex/extensions", "ui", "a11y")
PARTS += ("sre/mathmaps/base.json", "sre/mathmaps/en.json")


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


def copy(app: Sphinx, exception: Exception | None) -> None:
    r"""Put MathJax beside the built pages."""
    source = mathjax_folder()
    if exception is not None or source is None or app.builder.format != "html":
        return
    for part in PARTS:
        target = Path(app.outdir) / "_static" / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target, dirs_exist_ok=True)
        else:
            shutil.copy(source / part, target)


def setup(app: Sphinx) -> dict[str, bool]:
    r"""Register with Sphinx."""
    app.connect("config-inited", use_own_copy)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
