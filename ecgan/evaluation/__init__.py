r"""Scores under named protocols."""
