r"""Write the fidelity page from its data: `python book/fidelity.py`. A test holds both equal."""

import tomllib
from pathlib import Path

BOOK = Path(__file__).resolve().parent
DATA, PAGE = BOOK / "fidelity.toml", BOOK / "fidelity.md"
LONGEST = 56  # characters of a check that is shown
COLUMNS = {"paper": "Paper", "released": "Released code", "ours": "Here"}
TAGS = {
    "A": "the paper's abstract. Certain.",
    "R": "the authors' released networks, read in their repository's history. Certain, and "
    "checked: a golden case holds our networks to theirs within 0.0001.",
    "P": "the paper's body, written down from memory of it. Likely, not verified, and never a "
    "quotation.",
    "I": "our own reading, where the sources are silent or where we chose otherwise.",
}
OPENING = """\
# What is the paper's, what is ours

A re-implementation owes its reader a ledger: what the paper says {cite}`tang2023ecgan`, what the
authors' code does, what we do, and how we know. Each entry carries a tag:

"""
READING = """
In the last column the tag says whom we follow; **[I]** there means that we differ or had to choose.
A dash means that we know of nothing. What stands in code type below an entry, a module of `ecgan`
and an expression in it, is checked: a test evaluates it and compares, and so it does with longer
ones that the page leaves out. So this page cannot fall behind the code.

Where the paper and the released code write $N$ for the number of classes, this book writes $K$; the
other symbols are on the page on [notation](notation.md).
"""
NOTICE = "<!-- Written by book/fidelity.py from book/fidelity.toml: change those. -->\n"


def sections() -> list[dict]:
    r"""The ledger as in the file: sections with a title and rows."""
    return tomllib.loads(DATA.read_text())["section"]


def cell(entry: list[str] | None) -> str:
    r"""Tag and text of one cell; a dash where there is none."""
    return f"**[{entry[0]}]** {entry[1]}" if entry else "–"


def checked(expression: str, value) -> str:
    r"""A checked constant as it is shown, module and expression; a condition needs no value."""
    shown = expression.replace(":", ": ", 1)
    return f"`{shown}`" if " is " in shown or " > " in shown else f"`{shown} = {value}`"


def table_row(row: dict) -> str:
    r"""One line of a table, the checked constants below our text."""
    shown = [cell(row.get(name)) for name in COLUMNS]
    checks = [checked(*pair) for pair in row.get("checks", {}).items()]
    shown[-1] = "<br>".join([shown[-1], *(check for check in checks if len(check) <= LONGEST)])
    return "| " + " | ".join([row["what"], *shown]).replace("\n", " ") + " |"


def counted(tags: list[str]) -> str:
    r"""How many entries follow whom, as a sentence."""
    follow = {"R": "the released code", "P": "the paper's body", "A": "the paper's abstract"}
    parts = [f"{whom} **[{tag}]** in {tags.count(tag)}" for tag, whom in follow.items()]
    ours = tags.count("I")
    return f"Of {len(tags)} entries we follow {', '.join(parts)}; {ours} are our own **[I]**.\n"


def explained(section: dict) -> str:
    r"""Links to the chapters that explain a section, if any."""
    links = [f"[](../notebooks/{chapter}.ipynb)" for chapter in section.get("chapters", [])]
    return f"In the book: {'; '.join(links)}.\n\n" if links else ""


def render() -> str:
    r"""The whole page."""
    lines = [NOTICE, OPENING]
    lines += [f"- **[{tag}]** {meaning}\n" for tag, meaning in TAGS.items()]
    lines.append(READING)
    lines.append("\n" + counted([row["ours"][0] for part in sections() for row in part["row"]]))
    for section in sections():
        heads = ["Part", *COLUMNS.values()]
        lines.append(f"\n## {section['title']}\n\n{explained(section)}| {' | '.join(heads)} |\n")
        lines.append("| " + " | ".join("---" for _ in heads) + " |\n")
        lines += [table_row(row) + "\n" for row in section["row"]]
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"{PAGE.name}: {sum(len(section['row']) for section in sections())} entries")
