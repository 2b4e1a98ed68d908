r"""Files that are whole or not there, downloads, rows of results."""
