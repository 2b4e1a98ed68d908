r"""A Sphinx extension: figures outside the numbered chapters get numbers that cannot be mistaken.

Sphinx counts them through the book, so that Figures 3 to 7 would stand before Figure 1.1. Here
those of the pages before the first chapter are 0.1, 0.2, ..., those of the reference R.1, R.2, ...
"""

from itertools import count

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

BEFORE, AFTER = "0", "R"


def number(app: Sphinx, env: BuildEnvironment) -> list[str]:
    r"""Rewrite the numbers that Sphinx gave; it names the pages in the order of the contents."""
    counters = {BEFORE: count(1), AFTER: count(1)}
    place = BEFORE
    for found in env.toc_fignumbers.values():
        figures = found.get("figure", {})
        for name, given in figures.items():
            if len(given) > 1:  # chapter and figure
                place = AFTER
            else:
                figures[name] = (place, next(counters[place]))
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    r"""Register with Sphinx, after its own count."""
    app.connect("env-get-updated", number, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
