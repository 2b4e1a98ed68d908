r"""Help and slips are answered without what a training needs, and with every field of a config."""

import contextlib
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from ecgan.cli.main import COMMANDS, main
from ecgan.cli.words import options
from ecgan.config import Config
from ecgan.presets import preset
from support.chapters import ROOT

HEAVY = ("torch", "numpy", "scipy", "skimage", "PIL", "torchmetrics", "safetensors")
PROGRAM = f"""
import sys
from ecgan.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print([name for name in {HEAVY} if name in sys.modules], code)
"""
SLIPS = [["train", "--steeps", "3"], ["doctor", ".", "--config", "toi"], ["paint"], []]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        *(([name, "--help"], 0) for name in COMMANDS),
        *((slip, 2) for slip in SLIPS),
    ],
)
def test_help_and_slips_import_nothing_heavy(arguments, code) -> None:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.splitlines()[-1] == f"[] {code}"


def leaves(whole: object, path: tuple[str, ...] = ()):
    for part in fields(whole):
        value = getattr(whole, part.name)
        if is_dataclass(value):
            yield from leaves(value, (*path, part.name))
        else:
            yield ".".join((*path, part.name))


def test_every_field_of_the_config_is_an_option_of_train(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out
    names = list(leaves(preset("toy")))
    assert {"data.load_size", "losses.contrast.dim", "model.dont_care"} <= set(names)
    for name in names:
        assert f"{options()[name]} " in text or f"{options()[name]}," in text, name
    assert isinstance(preset("toy"), Config)


def test_no_word_of_the_parser_is_heard(capsys) -> None:
    slips = [*SLIPS, ["train", "--model.height", "100"], ["train", "--losses.final", "x"]]
    slips += [
        ["train", "--data.flip", "7"],
        ["fetch", "mnist", "."],
        ["evaluate", "--features", "x"],
    ]
    for slip in slips:
        with contextlib.suppress(SystemExit):
            main(slip)
        said = capsys.readouterr()
        assert said.err
        for word in ("tyro", "dummy", "Traceback"):
            assert word not in said.err + said.out, slip
