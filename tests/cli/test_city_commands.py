r"""The commands of the chapter on photographs are understood, and made what ships."""

import functools
import re
import shlex

import pytest
import tyro

from ecgan.cli.main import command_named
from ecgan.presets import preset
from ecgan.weights.checkpoint import WEIGHTS, notes
from support.chapters import ROOT, read


def commands() -> list[list[str]]:
    r"""The chapter's calls of ecgan, in order; lines that end in a backslash go on."""
    (cell,) = [
        cell
        for cell in read(ROOT / "notebooks" / "11_photographs.ipynb").cells
        if "```bash" in cell.source
    ]
    block = re.search(r"```bash\n(.*?)```", cell.source, re.DOTALL)[1].replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in block.splitlines()]


def heard(name: str, arguments: list[str]) -> dict:
    r"""What a command would be called with."""
    command = command_named(name, arguments)
    return tyro.cli(functools.wraps(command)(lambda *places, **named: named), args=arguments)


def test_the_chapters_commands_are_understood() -> None:
    names = [name for name, *_ in commands()]
    assert names == ["fetch", "doctor", "segmenter", "segmenter", "train", "evaluate"]
    for name, *arguments in commands():
        heard(name, arguments)
    with pytest.raises(SystemExit):
        heard("evaluate", ["--no-such-option"])


def test_the_shipped_weights_were_made_by_these_commands() -> None:
    segmenter, judge, train, evaluate = (heard(name, rest) for name, *rest in commands()[2:])
    written = notes(WEIGHTS / "aerial_segmenter.safetensors")
    assert {name: segmenter[name] for name in ("steps", "seed")} == {
        name: written[name] for name in ("steps", "seed")
    }
    assert (segmenter["batch_size"], segmenter["turns"]) == (8, True)
    assert (judge["kind"], judge["patch"], judge["seed"]) == ("dilated", 2, 12)
    assert train["config"] == "aerial"
    assert preset("aerial").training.steps == 4000
    assert evaluate["yardsticks"] is True
