r"""Two processes under `accelerate launch` train one pair of networks."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ecgan.files import records
from ecgan.training import RunError, fit
from ecgan.training.checkpoints import Checkpoints, read_state
from support import two_processes


def launch(folder: Path) -> list[dict]:
    r"""What each process says at its end."""
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        port = any_free.getsockname()[1]
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    command += ["--dynamo_backend", "no", "--main_process_port", str(port)]
    command += [two_processes.__file__, folder]
    ran = subprocess.run(command, env=where, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def said(folder: Path) -> list[dict]:
    return launch(folder)


def test_both_end_with_the_same_weights(said: list[dict]) -> None:
    first, second = said
    assert first["processes"] == second["processes"] == 2
    assert first["state"].keys() == second["state"].keys()
    parts = {name.split(".")[0] for name in first["state"]}
    assert parts == {"generator", "discriminator", "average", "objective"}
    different = [name for name in first["state"] if first["state"][name] != second["state"][name]]
    assert different == []


def test_they_saw_different_images_and_draw_different_numbers(said: list[dict]) -> None:
    first, second = said
    assert len(first["labels"]) == len(second["labels"]) == 2
    assert first["labels"] != second["labels"]
    assert first["draw"] != second["draw"]


def test_one_of_them_writes(folder: Path, said: list[dict]) -> None:
    assert [row["step"] for row in records.read(folder / "log.jsonl")] == [1, 2, 3]
    kept = Checkpoints(folder=folder / "checkpoints").all()
    assert [path.name for path in kept] == ["step-00000002", "step-00000003"]
    assert read_state(kept[-1])["processes"] == 2
    assert (kept[-1] / "process_1.safetensors").is_file()


def test_killed_and_resumed_they_end_alike(folder: Path, said: list[dict], tmp_path: Path) -> None:
    again = tmp_path / "run"
    shutil.copytree(folder, again)
    shutil.rmtree(again / "checkpoints" / "step-00000003")
    resumed = launch(again)
    for before, after in zip(said, resumed, strict=True):
        assert after["resumed_at"] == 2
        assert after["state"] == before["state"]
        assert after["draw"] == before["draw"]


def test_one_process_alone_cannot_go_on_with_it(folder: Path, said: list[dict]) -> None:
    with pytest.raises(RunError, match="processes: was 2, is 1"):
        fit(
            two_processes.CONFIG,
            folder,
            segmenter=two_processes.tiny_run.segmenter(),
            settings=two_processes.SETTINGS,
        )
