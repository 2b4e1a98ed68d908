r"""Folders of pictures and label maps, read as the published data sets lie."""
