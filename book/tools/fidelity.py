r"""Writes the fidelity page from its ledger: `python -m book.tools.fidelity`."""

import tomllib

from book.tools import pages

DATA, PAGE = pages.TEMPLATES / "fidelity.toml", pages.RENDERED / "fidelity.md"
LONGEST = 63  # characters of a check that is shown
COLUMNS = {"paper": "Paper", "released": "Released code", "ours": "Here"}
TAGS = {
    "A": "the paper's abstract. Certain.",
    "R": "the authors' released networks, read in their repository's history. Certain, and "
    "checked: a golden case holds our networks to theirs within 0.0001.",
    "S": "an equation or a figure of the paper's body, as public slides of a re-implementation "
    "{cite}`ecgan2024slides` show it in a picture of the page. Second-hand, yet the paper's own "
    "typesetting: certain as to form, silent about values.",
    "P": "the paper's body, written down from memory of it. Likely, not verified, and never a "
    "quotation.",
    "I": "our own reading, where the sources are silent or where we chose otherwise.",
}


def sections() -> list[dict]:
    r"""The ledger as in the file: sections with a title and rows."""
    return tomllib.loads(DATA.read_text())["section"]


def cell(entry: list[str] | None) -> str:
    r"""Tag and text of one cell; a dash where there is none."""
    return f"**[{entry[0]}]** {entry[1]}" if entry else "–"


def checked(expression: str, value) -> str:
    r"""A checked constant as it is shown, module and expression; a condition needs no value."""
    shown = expression.replace(":", ": ", 1)
    says_it_all = any(sign in shown for sign in (" is ", " > ", " == "))
    return f"`{shown}`" if says_it_all else f"`{shown} = {value}`"


def entry(row: dict) -> list[str]:
    r"""The cells of one line of a table, the checked constants below our text."""
    shown = [cell(row.get(name)) for name in COLUMNS]
    checks = [checked(*pair) for pair in row.get("checks", {}).items()]
    shown[-1] = "<br>".join([shown[-1], *(check for check in checks if len(check) <= LONGEST)])
    return [text.replace("\n", " ") for text in (row["what"], *shown)]


def table(section: dict) -> str:
    r"""The entries of a section."""
    return pages.table(["Part", *COLUMNS.values()], [entry(row) for row in section["row"]])


def render() -> str:
    r"""The whole page."""
    followed = [row["ours"][0] for section in sections() for row in section["row"]]
    return pages.render("fidelity", tags=TAGS, followed=followed, sections=sections(), table=table)


if __name__ == "__main__":
    pages.write("fidelity", render())
