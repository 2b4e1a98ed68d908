r"""The whole book on one page, and that page as a PDF: `make print`."""

import shutil
import sys
from pathlib import Path

from book import ROOT
from book.tools import build
from book.tools.chromium import headless, served

SINGLE = ROOT / "_build" / "singlehtml"
PDF = ROOT / "_build" / "print" / "ecgan.pdf"
MARGIN = {"top": "16mm", "bottom": "18mm", "left": "15mm", "right": "15mm"}
FOOT = """<div style="width: 100%; font-size: 8px; color: #48566b; text-align: center">
ECGAN, step by step · <span class="pageNumber"></span></div>"""
# Paper cannot scroll, so long lines wrap; nobody can unfold it, so solutions stand open.
STYLE = """
span[id^="document-"] { display: block; break-before: page; }
h1, h2, h3, h4 { break-after: avoid; }
figure, img, table tr, .admonition, div.math, .cell_input { break-inside: avoid; }
pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
input[type="range"], details.hide, .painter > p, .painter > button, .headerlink { display: none; }
"""
UNFOLD = "document.querySelectorAll('details.solution').forEach((part) => { part.open = true; })"


def one_page() -> Path:
    r"""Build the single page, from the outputs that `make book` has made."""
    if build.jupyter_book("--builder", "singlehtml"):
        sys.exit("the single page could not be built: see the messages above")
    # Sphinx writes it beside the root document, but links from it as if it lay at the top.
    return Path(shutil.copy(SINGLE / "book" / "pages" / "intro.html", SINGLE / "index.html"))


def to_pdf(page: Path, pdf: Path = PDF) -> None:
    r"""Print a page, its formulas set, with bookmarks and with tags for those who hear it read."""
    pdf.parent.mkdir(parents=True, exist_ok=True)
    with served(page.parent) as server, headless() as browser:
        tab = browser.new_page(color_scheme="light")
        tab.goto(f"{server.address}/{page.name}")
        tab.evaluate("MathJax.startup.promise")
        tab.evaluate(UNFOLD)
        tab.add_style_tag(content=STYLE)
        tab.pdf(
            path=pdf,
            format="A4",
            scale=0.75,
            margin=MARGIN,
            display_header_footer=True,
            header_template="<div></div>",
            footer_template=FOOT,
            print_background=True,
            outline=True,
            tagged=True,
        )
    print(f"{pdf}: {pdf.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    to_pdf(one_page())
