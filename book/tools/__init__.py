r"""What builds the book and tidies it: `python -m book.tools.build`, from the repository's root."""
