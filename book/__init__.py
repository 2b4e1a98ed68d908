r"""The book: its pages and the tools that build it. `ecgan` needs none of it."""

from pathlib import Path

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
