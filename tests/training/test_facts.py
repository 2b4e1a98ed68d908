r"""What a run depends on: written down, compared, and each change named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ecgan.training import Machine, Outcome, RunError, RunSettings, fit
from ecgan.training.facts import agree
from support import scenes_on_disk, tiny_run

TOY = tiny_run.config(steps=1, batch_size=2)
CONFIG = replace(TOY, data=replace(TOY.data, name="folder"))
SETTINGS = RunSettings(sample_every=0, cpu=True)


def go(run: Path, data: Path | None, *, segmenter=None, **more) -> Outcome:
    network = segmenter or tiny_run.segmenter()
    return fit(CONFIG, run, data=data, segmenter=network, settings=SETTINGS, **more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    r"""A finished run and its data, to be copied."""
    top = tmp_path_factory.mktemp("trained")
    data = scenes_on_disk.write(top / "data", "folder", list(range(9)))
    (data / "classes.json").write_text(json.dumps({"classes": list("abcdefghi")}))
    assert go(top / "run", data).ended == "finished"
    return top / "run", data


@pytest.fixture
def run(trained, tmp_path: Path) -> Path:
    return shutil.copytree(trained[0], tmp_path / "run")


@pytest.fixture
def data(trained, tmp_path: Path) -> Path:
    return shutil.copytree(trained[1], tmp_path / "data")


def test_the_table_is_recorded(run: Path, trained) -> None:
    facts = json.loads((run / "run.json").read_text())
    assert facts["folder"] == str(trained[1].resolve())
    assert facts["data"]["scenes"] == 3
    assert (facts["data"]["first"], facts["data"]["last"]) == ("a", "c")
    assert facts["numbering"] == {"name": "folder", "first": 0, "special": {}}
    assert facts["classes"] == list("abcdefghi")
    assert facts["segmenter"].startswith("UNet ")
    assert facts["processes"] == 1


def test_other_data_is_another_run(run: Path, data: Path, trained) -> None:
    before = (run / "generator.safetensors").read_bytes()
    scenes_on_disk.write(data, "folder", list(range(9)), keys=("d",))
    was = rf"data folder: was {trained[1].resolve()}, is {data.resolve()}"
    with pytest.raises(RunError, match=rf"{was}; data.scenes: was 3, is 4; .*another folder"):
        go(run, data)
    with pytest.raises(RunError, match=r"data: was .*is toy world"):
        fit(TOY, run, segmenter=tiny_run.segmenter(), settings=SETTINGS)
    assert (run / "generator.safetensors").read_bytes() == before


def test_other_pictures_under_the_same_names_are_other_data(run: Path, data: Path) -> None:
    scenes_on_disk.save(scenes_on_disk.photo(7), data / "images" / "a.png")
    with pytest.raises(RunError, match=r"data\.contents: was"):
        go(run, data)


def test_other_names_of_classes_are_another_run(run: Path, data: Path) -> None:
    (data / "classes.json").write_text(json.dumps({"classes": list("abcdefghX")}))
    with pytest.raises(RunError, match=r"classes: was \['a'.*'X'\]"):
        go(run, data)


def test_another_segmenter_is_another_run(run: Path, data: Path) -> None:
    other = tiny_run.segmenter()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    with pytest.raises(RunError, match=r"segmenter: was UNet [0-9a-f]{16}, is UNet [0-9a-f]{16}"):
        go(run, data, segmenter=other)


def test_another_numbering_is_another_run(run: Path, data: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    facts["numbering"]["first"] = 1
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match=r"numbering\.first: was 1, is 0"):
        go(run, data)


def test_data_that_only_moved_is_the_same(run: Path, data: Path, capsys) -> None:
    assert go(run, data).already
    assert "the data has moved" in capsys.readouterr().err


def test_a_result_without_its_checkpoints_is_kept_as_well(run: Path, data: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    scenes_on_disk.write(data, "folder", list(range(9)), keys=("d",))
    with pytest.raises(RunError, match="holds another run"):
        go(run, data)


def test_a_run_that_left_nothing_holds_nobody_up(run: Path, data: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "generator.safetensors").unlink()
    scenes_on_disk.write(data, "folder", list(range(9)), keys=("d",))
    assert not go(run, data).already


def test_a_table_that_cannot_be_read_is_not_guessed(run: Path, data: Path) -> None:
    (run / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run\.json cannot be read .*another folder"):
        go(run, data)


def test_processes_must_agree_on_the_batch(tmp_path: Path) -> None:
    machine = Machine()
    machine.processes = 2

    def gather(thing: object) -> list:
        if not isinstance(thing, dict):
            return [thing, thing]
        other = json.loads(json.dumps(thing))
        other["config"]["training"]["batch_size"] = 5
        return [thing, other]

    machine.gather = gather
    found = r"config\.training\.batch_size: in the main process 2, in process 1 5"
    with pytest.raises(RunError, match=rf"do not agree on the run \({found}\): .*one command"):
        fit(TOY, tmp_path / "run", segmenter=tiny_run.segmenter(), machine=machine)
    assert not (tmp_path / "run").exists()
    agree({"batch_size": 2}, Machine())
