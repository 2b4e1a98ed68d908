r"""The benchmark of training: complete rows, and a device whose memory does not suffice."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import training_speed

from ecgan.config import Config
from ecgan.files import records

TINY = ["--cases", "tiny", "--batch-size", "2", "--cpu", "--results"]


@pytest.fixture(autouse=True)
def short(monkeypatch) -> None:
    monkeypatch.setattr(training_speed, "WARM_UP", 1)
    monkeypatch.setattr(training_speed, "STEPS", 2)


def test_rows_are_printed_and_kept(tmp_path, capsys) -> None:
    file = tmp_path / "rows.jsonl"
    rows = training_speed.main([*TINY, str(file), "--precisions", "fp32", "bf16"])
    printed = capsys.readouterr().out.splitlines()
    assert [row["value"] for row in records.read(file)] == [row["value"] for row in rows]
    assert [row["precision"] for row in rows] == ["fp32", "bf16"]
    for row, line in zip(rows, printed, strict=True):
        assert row["spread"][0] <= row["value"] <= row["spread"][1]
        assert row["config"]["training"]["batch_size"] == 2
        assert (row["case"], row["kind"], row["memory"]) == ("tiny", "cpu", None)
        assert {"seed", "commit", "versions", "device", "protocol", "time"} <= row.keys()
        assert f"{row['value']:.2f} images/s" in line


def test_too_little_memory_is_a_row_as_well(tmp_path, monkeypatch, capsys) -> None:
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(training_speed, "seconds_a_step", full)
    (row,) = training_speed.main([*TINY, str(tmp_path / "rows.jsonl"), "--precisions", "fp32"])
    assert row["value"] is None
    assert "out of memory" in capsys.readouterr().out


@pytest.mark.parametrize("case", training_speed.CASES)
def test_each_case_is_a_preset_with_all_its_losses(case: str) -> None:
    config = training_speed.CASES[case]
    assert isinstance(config, Config)
    assert config.losses.perceptual > 0
    assert config.losses.similarity > 0
    assert config.losses.contrastive > 0
