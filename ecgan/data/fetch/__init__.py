r"""Fetching the published data sets."""
