r"""A run killed by SIGKILL, at any moment, ends as if nothing had happened, to the bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ecgan.files import records
from ecgan.files.whole import UNFINISHED
from ecgan.weights.checkpoint import read_state
from support import killed_runs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    r"""A run that was left alone beside one that was killed all the time."""
    folder = tmp_path_factory.mktemp("runs")
    program = Path(killed_runs.__file__)
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ECGAN_QUIET": "1"}
    ran = subprocess.run(
        [sys.executable, program, folder], env=where, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    lines = [line.rsplit(" ", 1) for line in ran.stdout.splitlines()]
    return folder, dict(lines)


def test_the_runs_were_really_killed(folders) -> None:
    said = folders[1]
    assert said.pop("whole") == said.pop("last") == said.pop("again") == "ended"
    assert said.pop("outside") in ("SIGKILL", "ended")  # a fast machine may have been through
    assert len(said) == len(killed_runs.DEATHS)
    assert set(said.values()) == {"SIGKILL"}


def test_every_byte_of_every_checkpoint_is_the_same(folders) -> None:
    r"""Networks, Adam's moments, the average, memory banks, schedules, random states."""
    whole, killed = folders[0] / "whole", folders[0] / "killed"
    names = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert names == ["step-00000030", "step-00000032"]
    assert sorted(path.name for path in (killed / "checkpoints").iterdir()) == names
    for path in sorted((whole / "checkpoints").rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (killed / path.relative_to(whole)).read_bytes(), path.name
    one, other = (read_state(run / "generator.safetensors") for run in (whole, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    kept = {path.name for path in (whole / "checkpoints" / names[-1]).iterdir()}
    assert kept == {
        "average.safetensors",
        "discriminator.safetensors",
        "discriminator_adam.safetensors",
        "generator.safetensors",
        "generator_adam.safetensors",
        "manifest.json",
        "objective.safetensors",
        "process_0.safetensors",
        "state.json",
    }


def test_the_log_and_the_samples_are_the_same(folders) -> None:
    whole, killed = folders[0] / "whole", folders[0] / "killed"
    clocks = ("seconds", "images_a_second")
    one, other = (
        [
            {name: value for name, value in row.items() if name not in clocks}
            for row in records.read(run / "log.jsonl")
        ]
        for run in (whole, killed)
    )
    assert [row["step"] for row in one] == [1, *range(2, 33, 2)]
    assert one == other
    sheets = sorted(path.name for path in (whole / "samples").iterdir())
    assert sheets == [f"{step:08d}.png" for step in range(5, 33, 5)]
    for name in sheets:
        assert (whole / "samples" / name).read_bytes() == (killed / "samples" / name).read_bytes()


def test_nothing_unfinished_is_left(folders) -> None:
    killed = folders[0] / "killed" / "checkpoints"
    assert list(killed.rglob(f"{UNFINISHED}*")) == []


def test_a_finished_run_stays_as_it_is(folders) -> None:
    killed, again = folders[0] / "killed", folders[0] / "again"
    for path in killed.rglob("*"):
        if path.is_file() and path.parent != killed:
            assert path.read_bytes() == (again / path.relative_to(killed)).read_bytes()
