r"""Pages written from rows: their prose stands in `templates/`, their numbers come from a module.

A template is Jinja2 and holds no measured number. What it asks for and does not get is an error.
Tests hold each page equal to what its module writes.
"""

from collections.abc import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from book import BOOK

TEMPLATES, RENDERED = BOOK / "templates", BOOK / "rendered"


def render(name: str, **facts: object) -> str:
    r"""The page ``name``.md from its template."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{name}.md.j2").render(facts)


def write(name: str, text: str) -> None:
    r"""Put a page where the book finds it, and say so."""
    (RENDERED / f"{name}.md").write_text(text)
    print(f"book/rendered/{name}.md written")


def table(heads: Sequence[str], lines: Sequence[Sequence[str]], *, rest: str = "---") -> str:
    r"""A table in Markdown; ``rest`` is the rule below all heads but the first."""
    rule = ["---", *[rest] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines])
