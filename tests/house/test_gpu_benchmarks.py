r"""Each command for half an hour on a GPU, tried on the CPU at a tiny size, and started again."""

import sys
from argparse import Namespace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "gpu"))
import cells
import photographs
import runs
import speed
import stops

from ecgan.data import source
from ecgan.experiments.trial import Trial
from ecgan.files import records
from ecgan.weights import checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture
def results(tmp_path: Path) -> list[str]:
    return ["--device", "cpu", "--results", str(tmp_path / "rows.jsonl")]


def complete(rows: list[dict], results: list[str]) -> None:
    assert rows
    assert records.read(results[-1]) == [records.json.loads(records.as_line(row)) for row in rows]
    for row in rows:
        assert row["error"] is None
        assert {"what", "device", "memory", "commit", "versions", "time"} <= row.keys()


def test_whether_it_runs_at_all(results) -> None:
    command = [*results, "--cases", "tiny", "--precisions", "fp32"]
    rows = runs.main(command)
    complete(rows, results)
    assert [row["kind"] for row in rows] == list(runs.KINDS)
    assert rows[1]["finite"]
    assert (rows[2]["resumed_at"], rows[2]["ended"]) == (1, "finished")
    assert runs.main(command) == []  # what has its row is not measured twice


def test_what_fails_is_a_row_and_is_tried_again(results, monkeypatch) -> None:
    def broken(*_):
        raise RuntimeError("no kernel\nlong story")

    command = [*results, "--cases", "tiny", "--precisions", "fp32"]
    with monkeypatch.context() as patch:
        for name in ("one_step", "one_synthesis", "one_run"):
            patch.setattr(runs, name, broken)
        assert [row["error"] for row in runs.main(command)] == ["RuntimeError: no kernel"] * 3
    monkeypatch.setattr(runs, "KINDS", ("step",))
    assert [row["error"] for row in runs.main(command)] == [None]


def test_nothing_new_begins_when_the_time_is_over(results) -> None:
    assert runs.main([*results, "--cases", "tiny", "--minutes", "0"]) == []


def test_what_holds_the_device_back(results, monkeypatch) -> None:
    monkeypatch.setattr(stops, "WARM_UP", 1)
    command = [*results, "--case", "tiny", "--sizes", "32", "--precision", "fp32"]
    rows = stops.main([*command, "--ways", "eager", "--steps", "1"])
    complete(rows, results)
    assert rows[0]["stops"] is None  # a CPU is not waited for
    assert rows[0]["longest"][0]["ms"] >= rows[0]["longest"][-1]["ms"] >= 0


def test_speed_beside_the_released_schedule(results, monkeypatch) -> None:
    monkeypatch.setattr(speed, "WARM_UP", 0)
    command = [*results, "--cases", "tiny", "--precisions", "fp32", "--batches", "2"]
    ways = ["--ways", "ours", "released schedule", "ours distinct"]
    rows = speed.main([*command, *ways, "--steps", "1", "--side", "64"])
    complete(rows, results)
    assert [row["way"] for row in rows] == ways[1:]
    assert all(row["images_a_second"] > 0 and row["operations"] > 0 for row in rows)
    # One forward pass of the generator less, two of the discriminator.
    assert rows[0]["operations"] < rows[1]["operations"]
    assert rows[0]["config"]["training"]["simultaneous"]


def test_a_model_by_the_clock(results, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(source, "RECALIBRATION_BATCHES", 1)
    out = tmp_path / "run"
    command = [*results, "--out", str(out), "--size", "32", "--batch-size", "2", "--steps", "2"]
    command += ["--precision", "fp32", "--every", "0"]
    rows = photographs.main(command)
    complete(rows, results)
    assert [row["step"] for row in rows] == [1, 2]
    assert sorted(path.name for path in (out / "samples").iterdir()) == [
        "00000001.png",
        "00000002.png",
    ]
    half = checkpoint.read_state(out / "generator_half.safetensors")
    assert {str(value.dtype) for value in half.values()} == {"torch.float16", "torch.int64"}
    assert photographs.main(command) == []


def test_a_cell_is_given_the_folder_of_photographs(tmp_path: Path, monkeypatch) -> None:
    given = []
    monkeypatch.setattr(
        cells.trial, "run", lambda cell, **how: given.append(how["data"]) or Trial()
    )
    monkeypatch.setattr(cells.run, "turn", None, raising=False)
    grid = ROOT / "experiments" / "ci.yaml"
    chosen = Namespace(grid=grid, device="cpu", data=tmp_path / "photographs", out=tmp_path)
    assert cells.run(chosen, "ci/whole.0") == ("ci/whole.0", [])
    assert given == [tmp_path / "photographs"]


@pytest.mark.slow
def test_the_ablation_s_cells(tmp_path: Path, results) -> None:
    out = tmp_path / "cells"
    command = [*results, "--grid", str(ROOT / "experiments" / "ci.yaml"), "--out", str(out)]
    rows = cells.main([*command, "--at-once", "2"])
    assert {row["variant"] for row in rows} == {"whole", "baseline"}
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.jsonl")}
    assert names == {"ci/whole.0.jsonl", "ci/baseline.0.jsonl"}
    assert all(path.with_suffix(".png").is_file() for path in out.rglob("*.jsonl"))
    assert cells.main(command) == []
    assert cells.main([*command, "--out", str(tmp_path / "new"), "--minutes", "0"]) == []
