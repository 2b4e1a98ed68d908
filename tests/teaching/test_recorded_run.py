r"""The run that chapter 09 tells: how it is recorded, and that what ships is a record."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ecgan.data.plans import plan
from ecgan.synthesis import synthesize, to_bytes
from ecgan.teaching import recorded_run as recording
from ecgan.teaching.recorded_run import RecordingError, record, recorded_run
from ecgan.training import RunSettings, fit
from ecgan.training.average import recalibrated
from ecgan.weights import checkpoint
from support import tiny_run
from support.chapters import ROOT

MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    r"""A run of three steps that kept every generator."""
    folder = tmp_path_factory.mktemp("run")
    config = tiny_run.config(steps=3, ema=0.5, generator_rate=0.05)
    settings = RunSettings(log_every=1, keep_every=1, checkpoint_every=0, sample_every=0, cpu=True)
    fit(config, folder, segmenter=tiny_run.segmenter(), settings=settings)
    return folder


@pytest.fixture(scope="module")
def kept(run: Path, tmp_path_factory) -> Path:
    r"""Its record."""
    folder = tmp_path_factory.mktemp("record")
    (folder / "00000009.png").write_bytes(b"of the record before")
    record(run, to=folder, batches=1)
    return folder


def test_a_record_says_what_the_run_was(run: Path, kept: Path) -> None:
    found = recorded_run(kept)
    assert found.steps == 3
    assert [row["step"] for row in found.rows] == [1, 2, 3]
    assert found.at(2)["step"] == 2
    assert found.at(99)["step"] == 3
    assert " thread" in found.facts["device"]  # not "cpu": seconds belong to a processor
    text = (kept / "run.json").read_text()
    assert str(run) not in text
    assert "folder" not in found.facts


def test_it_shows_what_the_kept_generators_paint(run: Path, kept: Path) -> None:
    found, count = recorded_run(kept), len(recording.PLANS)
    assert list(found.painted) == [1, 2, 3]
    for number, seed in enumerate(recording.PLANS):
        assert np.array_equal(found.layouts[number], plan(32, 32, seed=seed))
    generator = checkpoint.load(run / "kept" / "00000003.safetensors")
    usable = recalibrated(generator, recording.others(generator.config, batches=1))
    made = synthesize(usable, torch.from_numpy(found.layouts).long()).final
    assert found.painted[3].shape == (count, 32, 32, 3)
    for pixels, picture in zip(found.painted[3], made):
        assert np.array_equal(pixels, to_bytes(picture))
    assert not np.array_equal(found.painted[1], found.painted[3])


def test_weights_alone_are_read_as_well(run: Path, kept: Path, tmp_path: Path) -> None:
    state = checkpoint.read_state(run / "kept" / "00000003.safetensors")
    save_file(state, tmp_path / "00000003.safetensors")
    record(run, kept=tmp_path, to=tmp_path / "record", batches=1)
    again = recorded_run(tmp_path / "record").painted
    assert list(again) == [3]
    assert np.array_equal(again[3], recorded_run(kept).painted[3])


def test_what_is_no_run_and_what_is_no_record_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no run with run\.json"):
        record(tmp_path)
    with pytest.raises(RecordingError, match="--keep-every"):
        record(run, kept=tmp_path)
    with pytest.raises(RecordingError, match="holds no record"):
        recorded_run(tmp_path)


def test_the_moments_multiply() -> None:
    assert recording.moments(list(range(250, 4001, 250))) == [250, 500, 1000, 2000, 4000]
    assert recording.moments([7]) == [7]


def test_a_long_log_is_thinned() -> None:
    rows = [{"step": step, "loss": step / 3} for step in range(1000)]
    found = [row["step"] for row in recording.thinned(rows, [77, 501])]
    assert found[0] == 0
    assert found[-1] == 999
    assert {77, 501} <= set(found)
    assert recording.ROWS <= len(found) <= recording.ROWS + 2
    assert recording.shortened(rows[1]) == {"step": 1, "loss": 0.3333}


def test_the_shipped_record_is_small_and_whole() -> None:
    files = list(recording.AERIAL.iterdir())
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    found = recorded_run()
    assert len(found.painted) > 1
    assert max(found.painted) <= found.rows[-1]["step"] <= found.steps
    for row in found.rows:
        assert all(np.isfinite(value) for value in row.values() if value is not None)
    model = found.facts["config"]["model"]
    for images in found.painted.values():
        assert images.shape == (len(found.layouts), model["height"], model["width"], 3)


def test_the_chapters_command_is_that_of_the_record() -> None:
    training = recorded_run().facts["config"]["training"]
    said = f"--steps {training['steps']} --constant {training['constant']:g} "
    said += f"--precision {training['precision']}"
    assert said in (ROOT / "notebooks" / "09_training.ipynb").read_text()
