r"""``ecgan toy``: scenes of the toy world, as files."""

from pathlib import Path

from tyro.conf import Positional


def toy(out: Positional[Path], *, count: int = 100, size: int = 64, seed: int = 0) -> None:
    r"""Draw street scenes of the toy world into a folder: images, labels, instances, classes.

    Args:
        out: The folder to write, made where needed.
        count: How many scenes.
        size: Height and width in pixels, even, at least 32.
        seed: Which endless row of scenes; 0 is for training, 1 held out.
    """
    from ecgan.data.toy import write_folder

    write_folder(out, count, height=size, width=size, seed=seed)
    print(f"{count} scenes of {size} x {size} in {out}; next: ecgan doctor {out} --config toy")
