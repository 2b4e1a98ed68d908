r"""The benchmark runs, its rows are complete, and both sides compute the same."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import bench
import cases
import reference

from ecgan.config import Config
from ecgan.training import Trainer


@pytest.fixture
def config() -> Config:
    return cases.CASES["tiny"].config()


@pytest.mark.slow
def test_a_tiny_run_prints_and_stores_complete_rows(tmp_path, capsys) -> None:
    file = tmp_path / "rows.jsonl"
    done = bench.main(["--cases", "tiny", "--repeats", "2", "--results", str(file)])
    stored = [json.loads(line) for line in file.read_text().splitlines()]
    assert stored == json.loads(json.dumps(done))
    assert {row["metric"] for row in stored} == {*cases.METRICS, "recomputing"}
    for row in stored:
        assert row["value"] > 0
        assert row["spread"][0] <= row["value"] <= row["spread"][1]
        assert row["config"]["model"]["height"] == 32
        assert {"seed", "commit", "versions", "device", "protocol"} <= row.keys()
    assert "tiny" in capsys.readouterr().out


def test_both_sides_compute_the_same(config) -> None:
    released, ours = reference.ReleasedTrainer(config), Trainer(config=config)
    ours.generator.load_state_dict(released.generator.state_dict())
    batch = cases.make_batch(cases.CASES["tiny"])
    naive = released.generator.eval()(batch.semantics)
    fast = ours.generator.eval()(batch.semantics)
    for name, picture in naive.pictures().items():
        torch.testing.assert_close(fast.pictures()[name], picture, rtol=0, atol=1e-5)
