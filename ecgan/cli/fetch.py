r"""``ecgan fetch``: published data sets, downloaded, unpacked and counted."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

DataSetName = Literal["facades", "ade20k", "coco_stuff", "cityscapes"]


def fetch(name: Positional[DataSetName], folder: Positional[Path]) -> None:
    r"""Fetch a data set, unpack it and check its counts; a second call does only what is missing.

    Args:
        name: Which; cityscapes needs a login, so for it you are told what to do.
        folder: Where to put it, made where needed. An archive that you put there yourself is taken
            instead of a download.
    """
    from ecgan.data.fetch.fetch import fetch as run

    run(name, folder)
