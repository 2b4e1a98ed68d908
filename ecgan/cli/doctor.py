r"""``ecgan doctor``: what is wrong with a folder, before training meets it."""

from pathlib import Path

from tyro.conf import Positional

from ecgan.cli import PresetName
from ecgan.cli.errors import CommandError


def doctor(folder: Positional[Path], *, config: PresetName | None = None, sample: int = 500) -> int:
    r"""Say what is wrong with a folder of images and layouts before training meets it.

    Exit code 0: ready for training. 1: the report names errors.

    Args:
        folder: Cityscapes, ADE20K, COCO-Stuff or CMP facades as published, or any folder that
            holds images/ and labels/, and instances/ where the model wants them.
        config: The preset to hold it against; the data set's own unless given.
        sample: How many scenes are read pixel by pixel; 0 for all of them.
    """
    from ecgan.data.doctor.examine import examine

    if sample < 0:
        raise CommandError(f"sample is {sample}; it must be 0, for all scenes, or more")
    report = examine(folder, config=config, sample=sample)
    print(report)
    return report.exit_code
