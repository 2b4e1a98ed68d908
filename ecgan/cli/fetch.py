r"""``ecgan fetch``: published data sets, downloaded, unpacked and counted."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

DataSetName = Literal["aerial", "facades", "ade20k", "coco_stuff", "cityscapes"]


def fetch(
    name: Positional[DataSetName], folder: Positional[Path], *, mirror: Path | None = None
) -> None:
    r"""Fetch a data set, unpack it and check its counts; a second call does only what is missing.

    Args:
        name: Which; cityscapes needs a login, so for it you are told what to do.
        folder: Where to put it, made where needed. An archive that you put there yourself is taken
            instead of a download.
        mirror: A folder that holds a copy, to be used instead of the network.
    """
    from ecgan.data.fetch.fetch import fetch as run

    run(name, folder, mirror=mirror)
