r"""Runs: what they leave in their folder, how they go on, and how they fail."""

import errno
import json
import os
import shutil
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ecgan import Generator
from ecgan.config import ConfigError
from ecgan.data.source import Source
from ecgan.fast import precision
from ecgan.files import records
from ecgan.files import whole as writing
from ecgan.method.losses import NonFiniteLoss
from ecgan.training import (
    Machine,
    Outcome,
    RunError,
    RunSettings,
    fit,
    loop,
    run,
    toy_batches,
)
from ecgan.training.average import recalibrate_batch_norm
from ecgan.training.checkpoints import Checkpoints
from ecgan.training.log import sheet, write_sheet
from ecgan.training.machine import MachineError, find_machine
from ecgan.weights import checkpoint
from support import tiny_run

CONFIG = tiny_run.config(steps=4, ema=0.5)
OFTEN = RunSettings(checkpoint_every=1, log_every=1, sample_every=2, cpu=True)
RARELY = replace(OFTEN, checkpoint_every=0, sample_every=0)


def go(folder: Path, config=CONFIG, settings=OFTEN, **more) -> Outcome:
    return fit(config, folder, segmenter=tiny_run.segmenter(), settings=settings, **more)


def newest(folder: Path) -> Path:
    return Checkpoints(folder=folder / "checkpoints").all()[-1]


def whole_state(folder: Path) -> dict:
    r"""Hashes of the newest checkpoint's tensors, and the rest in plain.

    But for Python's own random numbers: the tests' checks of shapes draw some.
    """
    hashes = json.loads((newest(folder) / "manifest.json").read_text())
    del hashes["state.json"]
    state = json.loads((newest(folder) / "state.json").read_text())
    for entry in state["random"]:
        del entry["python"]
    return {"hashes": hashes, "state": state}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    r"""A run from the first to the last step, to be copied and never changed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    outcome = go(folder)
    assert (outcome.ended, outcome.step, outcome.resumed_at) == ("finished", 4, 0)
    return folder


def copied(whole: Path, to: Path, *, without: tuple[int, ...] = ()) -> Path:
    shutil.copytree(whole, to)
    for step in without:
        shutil.rmtree(to / "checkpoints" / f"step-{step:08d}")
    return to


# What a run leaves behind.


def test_the_folder_of_a_run(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {
        "run.json",
        "run.lock",
        "log.jsonl",
        "samples",
        "checkpoints",
        "generator.safetensors",
    }
    kept = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert kept == ["step-00000003", "step-00000004"]
    facts = json.loads((whole / "run.json").read_text())
    assert facts["config"] == json.loads(json.dumps(CONFIG.to_dict()))
    assert facts["device"] == "cpu"
    assert facts["processes"] == 1
    assert {"torch", "ecgan", "python"} <= facts["versions"].keys()
    assert facts["data"] == "toy world"
    assert facts["folder"] is None
    assert facts["classes"][0] == "sky"
    assert facts["segmenter"].startswith("UNet ")


def test_a_line_a_logged_step(whole: Path) -> None:
    rows = records.read(whole / "log.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        assert {"adversarial", "contrastive", "discriminator_real", "seconds"} <= row.keys()
        assert row["generator_gradient"] > 0
        assert row["generator_rate"] > 0 or row["step"] == 4
    assert "images_a_second" not in rows[0]
    assert rows[-1]["images_a_second"] > 0


def test_the_generator_to_use_is_the_averaged_one_recalibrated(whole: Path) -> None:
    used = checkpoint.load(whole / "generator.safetensors")
    average = checkpoint.read_state(newest(whole) / "average.safetensors")
    plain = checkpoint.read_state(newest(whole) / "generator.safetensors")
    name = "encoder.entry.weight"
    assert torch.equal(used.state_dict()[name], average[name])
    assert not torch.equal(used.state_dict()[name], plain[name])
    layouts = list(Source(config=CONFIG, machine=Machine()).layouts())
    assert [layout.shape for layout in layouts] == [(3, 9, 32, 32)] * 4
    by_hand = Generator(CONFIG.model)
    by_hand.load_state_dict(average)
    recalibrate_batch_norm(by_hand, layouts)
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(used.state_dict()[name], value)
    buffer = "encoder.blocks.0.norm_0.normalise.running_mean"
    assert not torch.allclose(used.state_dict()[buffer], average[buffer])


def test_sheets_of_samples(whole: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in (whole / "samples").iterdir())
    assert names == ["00000002.png", "00000004.png"]
    pixels = np.asarray(Image.open(whole / "samples" / names[-1]))
    assert pixels.shape == (run.EXAMPLES * 32, 5 * 32, 3)  # layout, edge, first, final, real
    source = Source(config=CONFIG, machine=Machine())
    examples = source.examples(2)
    generator = checkpoint.load(whole / "generator.safetensors").train()
    levels = sheet(generator, examples)
    assert levels.shape == (2 * 32, 5 * 32, 3)
    assert generator.training
    real = ((examples.images[1] + 1) * 127.5).round().byte()
    assert torch.equal(levels[32:, 4 * 32 :], real.permute(1, 2, 0))
    write_sheet(tmp_path / "new" / "sheet.png", generator, examples)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "sheet.png")), levels.numpy())


def test_generators_kept_on_the_way(whole: Path, tmp_path: Path) -> None:
    go(tmp_path / "run", settings=replace(RARELY, keep_every=2))
    files = sorted((tmp_path / "run" / "kept").iterdir())
    assert [path.name for path in files] == ["00000002.safetensors", "00000004.safetensors"]
    assert [checkpoint.notes(path)["step"] for path in files] == [2, 4]
    assert checkpoint.notes(files[0])["config"] == json.loads(json.dumps(CONFIG.to_dict()))
    average = checkpoint.read_state(newest(whole) / "average.safetensors")
    for name, value in checkpoint.load(files[1]).state_dict().items():
        assert torch.equal(value, average[name])  # as it was averaged, not recalibrated
    # Killed after step 3 and before step 4 it keeps the same; what was kept is not lost.
    hurried = replace(RARELY, keep_every=2, minutes=0)
    for step in (1, 2, 3, 4):
        assert go(tmp_path / "parts", settings=hurried).step == step
    for path in files:
        again = tmp_path / "parts" / "kept" / path.name
        assert checkpoint.notes(again) == checkpoint.notes(path)
        once, again = checkpoint.read_state(path), checkpoint.read_state(again)
        assert all(torch.equal(again[name], value) for name, value in once.items())
    assert whole_state(tmp_path / "parts") == whole_state(whole)


def test_without_an_average_the_generator_is_kept(tmp_path: Path) -> None:
    go(tmp_path, tiny_run.config(steps=1, ema=0), replace(RARELY, keep_every=1))
    plain = checkpoint.read_state(newest(tmp_path) / "generator.safetensors")
    for name, value in checkpoint.load(tmp_path / "kept/00000001.safetensors").state_dict().items():
        assert torch.equal(value, plain[name])


def test_settings_change_nothing_of_the_networks(whole: Path, tmp_path: Path) -> None:
    go(tmp_path / "run", settings=RARELY)
    assert whole_state(tmp_path / "run") == whole_state(whole)
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 1


# Ending early and going on.


def test_a_budget_of_time_ends_a_run_that_then_goes_on(whole: Path, tmp_path: Path) -> None:
    folder, hurried = tmp_path / "run", replace(OFTEN, minutes=0)
    for step in (1, 2, 3):
        outcome = go(folder, settings=hurried)
        assert (outcome.ended, outcome.step, outcome.resumed_at) == ("out of time", step, step - 1)
    outcome = go(folder)
    assert outcome.ended == "finished"
    assert whole_state(folder) == whole_state(whole)
    assert [row["step"] for row in outcome.history.rows] == [1, 2, 3, 4]
    seconds = [row["seconds"] for row in outcome.history.rows]
    assert seconds == sorted(seconds)


def test_half_precision_goes_on_with_its_scaler(tmp_path: Path) -> None:
    config = tiny_run.config(steps=2, precision="fp16", accumulate=2)
    go(tmp_path / "whole", config=config, settings=RARELY)
    for step in (1, 2):
        assert go(tmp_path / "run", config, replace(RARELY, minutes=0)).step == step
    found = whole_state(tmp_path / "run")
    assert found == whole_state(tmp_path / "whole")
    assert found["state"]["scaler"]["scale"] < 2**16  # it has moved: a fresh one would differ


def test_asked_to_stop_it_finishes_the_step_and_saves(whole, tmp_path, monkeypatch) -> None:
    real = run.Trainer.step

    def interrupted(self, batch):
        if self.schedules[0].last_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, batch)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(run.Trainer, "step", interrupted)
        outcome = go(tmp_path / "run", settings=RARELY)
    assert (outcome.ended, outcome.step) == ("stopped", 2)
    assert signal.getsignal(signal.SIGTERM) is before
    assert go(tmp_path / "run").ended == "finished"
    assert whole_state(tmp_path / "run") == whole_state(whole)


def test_asked_to_stop_it_saves_first_and_says_what_it_does(tmp_path, monkeypatch, capfd) -> None:
    done = []
    real_save, real_recalibrated = Checkpoints.save, run.recalibrated

    def save(self, step, files):
        done.append(("saved", step))
        return real_save(self, step, files)

    def recalibrated(*arguments):
        done.append("recalibrated")
        return real_recalibrated(*arguments)

    def step(self, batch, real=run.Trainer.step):
        if self.schedules[0].last_epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)
            told = capfd.readouterr().err
            assert "stopping after this step; writing a checkpoint" in told  # at once
        return real(self, batch)

    monkeypatch.setattr(Checkpoints, "save", save)
    monkeypatch.setattr(run, "recalibrated", recalibrated)
    monkeypatch.setattr(run.Trainer, "step", step)
    outcome = go(tmp_path / "run", settings=replace(OFTEN, sample_every=0))
    # Never at a checkpoint: only once, when the last one is safe.
    assert done == [("saved", 1), ("saved", 2), ("saved", 3), "recalibrated"]
    assert outcome.result == tmp_path / "run" / "generator.safetensors"
    assert checkpoint.notes(outcome.result)["step"] == outcome.step == 3
    assert "step 3 is saved; recalibrating batch norm" in capfd.readouterr().err


def test_asked_twice_it_leaves_the_result_out(whole, tmp_path, monkeypatch, capsys) -> None:
    def impatient(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "recalibrated", impatient)
        outcome = go(tmp_path / "run", settings=replace(RARELY, minutes=0))
    assert (outcome.ended, outcome.step) == ("out of time", 1)
    assert outcome.generator is outcome.result is None
    assert not (tmp_path / "run" / "generator.safetensors").exists()
    assert "the checkpoint is safe" in capsys.readouterr().err
    go(tmp_path / "run")
    assert whole_state(tmp_path / "run") == whole_state(whole)


def test_a_result_that_a_kill_left_behind_is_made_anew(whole: Path, tmp_path: Path) -> None:
    expected = (whole / "generator.safetensors").read_bytes()
    for left in (None, b"half"):
        folder = copied(whole, tmp_path / f"run {left}")
        (folder / "generator.safetensors").unlink()
        if left is not None:
            (folder / "generator.safetensors").write_bytes(left)
        assert go(folder).already
        assert (folder / "generator.safetensors").stat().st_size == len(expected)
        one, other = (checkpoint.load(of / "generator.safetensors") for of in (folder, whole))
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name])


def test_a_precision_that_costs_time_is_told_before_the_first_step(
    tmp_path, monkeypatch, capsys
) -> None:
    def step(self, batch, real=run.Trainer.step):
        assert "no bf16 arithmetic" in capsys.readouterr().err
        return real(self, batch)

    monkeypatch.setattr(precision, "processor_words", lambda: {"avx2"})
    monkeypatch.setattr(run.Trainer, "step", step)
    go(tmp_path / "run", tiny_run.config(steps=1, precision="bf16"), RARELY)


def test_a_finished_run_is_not_run_again(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path / "run")
    outcome = go(folder)
    assert (outcome.ended, outcome.step, outcome.resumed_at) == ("finished", 4, 4)
    assert outcome.already
    assert outcome.result == folder / "generator.safetensors"
    assert len(outcome.history.rows) == 4
    assert not outcome.generator.training


def test_another_config_is_another_run(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path / "run")
    with pytest.raises(RunError, match=r"training\.steps: was 4, is 9.*another folder"):
        go(folder, config=replace(CONFIG, training=replace(CONFIG.training, steps=9)))
    machine = Machine()
    machine.processes = 2
    with pytest.raises(RunError, match="processes: was 1, is 2"):
        go(folder, machine=machine)
    assert whole_state(folder) == whole_state(whole)


def test_machines_that_do_not_share_the_folder_are_told_so(whole: Path, tmp_path: Path) -> None:
    machine = Machine()
    machine.gather = lambda thing: [thing, 0] if isinstance(thing, int) else [thing]
    with pytest.raises(
        RunError, match=r"different steps .*\(4, 0\).*a disk that all of them share"
    ):
        go(copied(whole, tmp_path / "run"), machine=machine)


# Trouble with the disk.


@pytest.mark.parametrize("name", ["generator_adam.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("fault", ["cut off", "other content", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(name, fault, whole, tmp_path) -> None:
    folder = copied(whole, tmp_path / "run")
    path = newest(folder) / name
    content = path.read_bytes()
    if fault == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "other content":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    else:
        path.unlink()
    good, complaints = Checkpoints(folder=folder / "checkpoints").newest()
    if (name, fault) == ("manifest.json", "other content") and not complaints:
        pytest.skip("one letter of white space says the same")
    assert good.name == "step-00000003"
    assert "step-00000004 is damaged" in complaints[0]


def test_a_run_goes_on_from_the_older_checkpoint(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path / "run")
    (newest(folder) / "discriminator.safetensors").write_bytes(b"half")
    outcome = go(folder)
    assert outcome.resumed_at == 3
    assert "discriminator.safetensors has 4 bytes" in outcome.complaints[0]
    assert whole_state(folder) == whole_state(whole)
    assert [row["step"] for row in records.read(folder / "log.jsonl")] == [1, 2, 3, 4]


def test_without_any_whole_checkpoint_nothing_is_overwritten(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path / "run")
    for path in (folder / "checkpoints").iterdir():
        (path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match=r"No checkpoint is whole: remove .*checkpoints"):
        go(folder)


@pytest.mark.parametrize("calls", [1, 2, 9])
def test_a_full_disk_stops_the_run_and_keeps_the_older(calls, whole, tmp_path, monkeypatch) -> None:
    folder = copied(whole, tmp_path / "run", without=(4,))
    left, real = iter(range(calls, -1, -1)), writing._put

    def full(path: Path, content: bytes) -> None:
        if "checkpoints" in str(path) and next(left) <= 1:
            path.write_bytes(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_put", full)
        with pytest.raises(RunError, match=r"No space left.*good checkpoint is step-00000003") as e:
            go(folder)
    assert "free some space" in str(e.value)
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-00000003"]
    assert go(folder).resumed_at == 3
    assert whole_state(folder) == whole_state(whole)


def test_a_full_disk_under_the_log(tmp_path: Path, monkeypatch) -> None:
    def full(path, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(records, "append", full)
    with pytest.raises(RunError, match=r"log\.jsonl cannot be written \(No space left"):
        go(tmp_path / "run")


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"run\.lock cannot be written .*--out"):
        go(tmp_path / "file" / "run")

    def refused(path, content):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(writing, "_put", refused)
    with pytest.raises(RunError, match="Permission denied"):
        go(tmp_path / "run")


def test_a_cut_off_line_of_the_log_is_dropped(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path / "run", without=(4,))
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"step": 5, "sec')
    go(folder)
    assert [row["step"] for row in records.read(folder / "log.jsonl")] == [1, 2, 3, 4]


# Numbers that are none.


def test_the_first_bad_batch_stops_the_run(whole: Path, tmp_path: Path, monkeypatch) -> None:
    real = Source.batches

    def poisoned(self, done):
        for step, batches in enumerate(real(self, done), start=done + 1):
            if step == 3:
                batches[0].images[0, 0, 0, 0] = float("inf")
            yield batches

    with monkeypatch.context() as patch:
        patch.setattr(Source, "batches", poisoned)
        with pytest.raises(NonFiniteLoss, match=r"^step 3: .*loss.*step-00000002$"):
            go(tmp_path / "run")
    assert newest(tmp_path / "run").name == "step-00000002"
    assert go(tmp_path / "run").resumed_at == 2
    assert whole_state(tmp_path / "run") == whole_state(whole)


# Where it runs.


def test_without_accelerate_one_process_still_trains(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "accelerate", None)
    assert type(find_machine(cpu=True)) is Machine
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MachineError, match=r"pip install 'ecgan\[train\]'"):
        find_machine(cpu=True)


def test_without_tensorboard_the_way_to_it_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(MachineError, match="pip install tensorboard"):
        go(tmp_path / "run", settings=replace(OFTEN, tensorboard=True))


def test_tensorboard_gets_the_numbers_of_the_log(tmp_path: Path, monkeypatch) -> None:
    r"""It is no part of the tests' environment: a stand-in writes down what it is told."""
    told = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            told.append((Path(folder).name, purge_step))

        def add_scalar(self, name, value, step):
            told.append((step, name, value))

        def flush(self):
            pass

    module = SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", module)
    settings = replace(RARELY, minutes=0, tensorboard=True)
    for _ in range(2):
        go(tmp_path / "run", settings=settings)
    rows = records.read(tmp_path / "run" / "log.jsonl")
    expected = []
    for step, row in enumerate(rows, start=1):
        expected.append(("tensorboard", step))
        expected += [(step, name, value) for name, value in row.items() if name != "step"]
    assert told == expected


@pytest.mark.parametrize(
    "wrong", [{"minutes": -1}, {"log_every": -1}, {"checkpoint_every": -5}, {"workers": -1}]
)
def test_settings_that_make_no_sense(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RunSettings(**wrong)


def test_processes_share_the_row_of_batches() -> None:
    r"""Two processes with two batches an update see what one with four would, in turn."""
    config = tiny_run.config(accumulate=2)
    alone = [batch.labels for batch in islice(toy_batches(tiny_run.config()), 12)]
    seen = {}
    for rank in (0, 1):
        machine = Machine()
        machine.rank, machine.processes = rank, 2
        steps = islice(Source(config=config, machine=machine).batches(1), 2)
        for step, batches in enumerate(steps, start=1):
            assert len(batches) == 2
            for number, batch in enumerate(batches):
                seen[(step * 2 + number) * 2 + rank] = batch.labels
    assert sorted(seen) == list(range(4, 12))
    for number, labels in seen.items():
        assert torch.equal(labels, alone[number])


def test_a_data_set_needs_its_folder() -> None:
    config = replace(CONFIG, data=replace(CONFIG.data, name="facades"))
    with pytest.raises(ConfigError, match="facades needs --data FOLDER"):
        Source(config=config, machine=Machine())


def test_the_bar_shows_losses_and_speed(monkeypatch, capsys) -> None:
    monkeypatch.setenv("ECGAN_QUIET", "0")
    config = tiny_run.config(steps=2)
    trainer = run.Trainer(config=config, segmenter=tiny_run.segmenter())
    loop.train(trainer, toy_batches(config), log_every=1)
    shown = capsys.readouterr().err
    for part in ("2/2", "g=", "d=", "images a second="):
        assert part in shown
