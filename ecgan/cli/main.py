r"""The command line: ``ecgan`` or ``python -m ecgan``; ``--help`` after any command explains it.

What a command needs is imported inside it: help and mistyped options are answered at once.
"""

import sys
import traceback
from pathlib import Path
from typing import Literal

import tyro
from tyro.conf import Positional

from ecgan.cli.models import PresetName, evaluate, export, segmenter, trainer_of
from ecgan.cli.synthesize import synthesize
from ecgan.presets import PRESETS

DataSetName = Literal["facades", "ade20k", "coco_stuff", "cityscapes"]


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

    if fix is not None:
        print("\n".join([*mend(folder, fix), f"wrote {fix}"]))
        folder = fix
    report = examine(folder, config=config, sample=sample)
    print(report)
    return report.exit_code


def make_toy(
    names: Positional[tuple[str, ...]] = (), *, steps: int | None = None, out: Path | None = None
) -> None:
    r"""Train the toy models that come with the package, the segmenters first.

    Args:
        names: Which of them; all unless given.
        steps: Fewer training steps for the generators, to try the command.
        out: The folder to write; the package's own unless given.
    """
    from ecgan.cli.commands import make_toy_models

    make_toy_models(list(names), folder=out, steps=steps)


def fetch(name: Positional[DataSetName], folder: Positional[Path]) -> None:
    r"""Fetch a data set, unpack it and check its counts; a second call does only what is missing.

    Args:
        name: Which; cityscapes needs a login, so for it you are told what to do.
        folder: Where to put it, made where needed.
    """
    from ecgan.data.fetch.fetch import fetch as run

    run(name, folder)


def preset_named(arguments: list[str]) -> str:
    r"""The preset that --config names, told before parsing: it holds the other defaults."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    named = [after for word, after in zip(words, words[1:]) if word == "--config"]
    return named[-1] if named and named[-1] in PRESETS else "toy"


def raised_here(error: Exception) -> bool:
    r"""Whether the package itself raised the error: then its message is for the user."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).is_relative_to(Path(__file__).parents[1])


def main(arguments: list[str] | None = None) -> int:
    r"""Run one command; the exit code. Errors of the package become one sentence and code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {
        "toy": toy,
        "doctor": doctor,
        "synthesize": synthesize,
        "segmenter": segmenter,
        "train": trainer_of(preset_named(arguments)),
        "evaluate": evaluate,
        "export": export,
        "make-toy": make_toy,
        "fetch": fetch,
    }
    try:
        code = tyro.extras.subcommand_cli_from_dict(
            commands, prog="ecgan", description="ECGAN: layouts in, pictures out.", args=arguments
        )
    except ValueError as error:
        if not raised_here(error):
            raise
        print(f"ecgan: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        print(f"ecgan: {error.strerror or error}{place}", file=sys.stderr)
        return 2
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
