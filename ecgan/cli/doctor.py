r"""``ecgan doctor``: what is wrong with a folder, before training meets it."""

from pathlib import Path

from tyro.conf import Positional

from ecgan.cli import PresetName
from ecgan.cli.errors import CommandError


def doctor(
    folder: Positional[Path],
    *,
    config: PresetName | None = None,
    sample: int = 500,
    fix: Path | None = None,
) -> int:
    r"""Say what is wrong with a folder of images and layouts before training meets it.

    Exit code 0: ready for training. 1: the report names errors.

    Args:
        folder: Cityscapes, ADE20K, COCO-Stuff or CMP facades as published, or any folder that
            holds images/ and labels/, and instances/ where the model wants them.
        config: The preset to hold it against; the data set's own unless given.
        sample: How many scenes are read pixel by pixel; 0 for all of them.
        fix: Write a corrected copy of the folder there, which must not be there yet, and examine
            that: 8 bits, upright, labels from 0, usual endings and names.
    """
    from ecgan.data.doctor.examine import examine
    from ecgan.data.doctor.mend import mend

    if sample < 0:
        raise CommandError(f"sample is {sample}; it must be 0, for all scenes, or more")
    if fix is not None:
        print("\n".join([*mend(folder, fix), f"wrote {fix}"]))
        folder = fix
    report = examine(folder, config=config, sample=sample)
    print(report)
    return report.exit_code
