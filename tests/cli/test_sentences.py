r"""What people type and get wrong: one sentence each, in the words of the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ecgan import Generator, ModelConfig
from ecgan.cli import train as training
from ecgan.cli.errors import CommandError
from ecgan.cli.main import main
from ecgan.cli.train import usual_folder
from ecgan.cli.words import spoken
from ecgan.data.fetch.fetch import fetch
from ecgan.data.fetch.sources import Source
from ecgan.evaluation import model as scoring
from ecgan.experiments.grid import GridError, read_grid
from ecgan.files.download import Archive, FetchError
from ecgan.files.published import Published, WeightsUnavailable
from ecgan.weights import checkpoint
from ecgan.weights.checkpoint import CheckpointError
from ecgan.weights.named import find_generator, find_model
from support.chapters import ROOT

SMALL = "--cpu --model.height 32 --model.width 32 --model.base-channels 4 --model.spade-hidden 8"
SMALL += " --model.max-channels 16 --steps 2 --ema 0 --sample-every 0"
SILENT = "--losses.similarity 0 --losses.cross-entropy 0 --losses.perceptual 0"


def said(capsys, command: str, *, code: int = 2) -> str:
    r"""The one sentence of a command that must end with ``code``."""
    assert main(command.split()) == code
    text = capsys.readouterr().err
    assert text.startswith("ecgan: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--seed -1", "--seed is -1; allowed are 0 to"),
        ("--seed 99999999999999999999", "--seed is 99999999999999999999; allowed are 0 to"),
        ("--seed 2147483648", "--seed is 2147483648"),
        ("--betas 2 3", "--betas is (2.0, 3.0); each is 0 or more, and below 1"),
        ("--betas 0 1", "--betas is (0.0, 1.0)"),
        ("--betas nan 0.9", "--betas is (nan, 0.9)"),
        ("--betas -0.1 0.9", "--betas is (-0.1, 0.9)"),
        ("--losses.contrast.dim 0", "--losses.contrast.dim is 0; it must be >= 1"),
        ("--losses.contrast.dim -3", "--losses.contrast.dim is -3"),
        ("--losses.contrast.per-class 0", "--losses.contrast.per-class is 0"),
        ("--losses.contrast.scales 0", "--losses.contrast.scales is 0; it must be >= 1"),
        ("--losses.contrast.scales -2", "--losses.contrast.scales is -2"),
        ("--losses.contrast.scales 8", "--losses.contrast.scales is 8; this trunk has 7"),
        ("--losses.contrast.temperature 0", "--losses.contrast.temperature is 0.0"),
        ("--losses.contrast.temperature nan", "--losses.contrast.temperature is nan"),
        ("--losses.contrast.memory-per-class -4", "memory-per-class is -4; it must be >= 0"),
        (
            "--losses.contrast.memory-per-class 4 --losses.contrast.no-across-layouts",
            "use --losses.contrast.memory-per-class 0, or --losses.contrast.across-layouts",
        ),
        ("--losses.contrast.together 0", "--losses.contrast.together is 0"),
        ("--losses.similarity-pairs 1", "--losses.similarity-pairs is 1; at least 2"),
        ("--losses.edge nan", "--losses.edge is nan"),
        ("--steps 0", "--steps is 0; it must be >= 1"),
        ("--batch-size -1", "--batch-size is -1"),
        ("--data.images 0", "--data.images is 0"),
        ("--data.load-size -5", "--data.load-size is -5"),
        ("--model.height 100", "so height must be a multiple of 32, such as 96"),
        ("--model.no-edge-branch", "with --model.no-edge-transfer"),
        ("--workers -1", "workers is -1"),
        ("--batch-size 1", "--batch-size 2, or --model.height 64"),
        ("--batch-size 1 --accumulate 4", "--batch-size is 1, and at 32 x 32 pixels"),
        (
            "--batch-size 1 --model.upsampling most --model.height 128 --model.width 128",
            "--model.height 256",
        ),
        (
            "--losses.adversarial 0 --losses.feature-matching 0 --losses.contrastive 0 "
            f"--losses.class-specific 0 {SILENT}",
            "nothing would teach the generator; give one a weight, such as --losses.adversarial 1",
        ),
        (
            f"{SILENT} --losses.contrastive 0 --losses.class-specific 0 --losses.edge 0 "
            "--losses.first 0 --losses.final 0",
            "nothing would teach the generator",
        ),
    ],
)
def test_train_refuses_numbers_before_anything_is_done(option, says, tmp_path, capsys) -> None:
    text = said(capsys, f"train --out {tmp_path / 'run'} {SMALL} {option}")
    assert says in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("evaluate --images 0", "--images is 0; score at least 1"),
        ("evaluate --images -3", "--images is -3"),
        ("evaluate --images 1 --protocols kid-validation", "two a side"),
        ("evaluate --images 1 --protocols fid-validation --few", "two a side"),
        ("evaluate --images 2 --protocols fid-validation", "insist, with --few"),
        ("evaluate --protocols fid", "no protocol 'fid'"),
        ("doctor . --sample -1", "--sample is -1; it must be 0, for all scenes, or more"),
        ("toy x --size 31", "--size is 31; a toy scene needs an even number of at least 32"),
        ("toy x --count 0", "--count is 0; it must be at least 1. Try --count 1"),
        ("toy x --seed -1", "--seed is -1; it must be at least 0"),
        ("segmenter s.pth --data x", "name a file that ends in .safetensors"),
        ("segmenter s.safetensors --data x --steps 0", "--steps is 0"),
        ("segmenter s.safetensors --data x --width 0", "--width is 0"),
        ("segmenter s.safetensors --data x --patch 2", "--patch is 2; only --kind dilated"),
        ("segmenter s.safetensors --data x --seed -1", "--seed is -1"),
        ("segmenter s.safetensors --data nowhere", "nowhere"),
    ],
)
def test_other_commands_refuse_in_a_sentence(command, says, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in said(capsys, command)
    assert list(tmp_path.iterdir()) == []


def test_few_allows_two_images(capsys) -> None:
    assert main("evaluate --images 2 --protocols fid-validation kid-validation --few".split()) == 0
    assert "nan" not in capsys.readouterr().out


def test_the_first_advice_does_not_lead_to_a_second_refusal(tmp_path, capsys, monkeypatch) -> None:
    from ecgan.data import toy

    data = toy.write_folder(tmp_path / "data", 4, height=32, width=32)
    (data / "classes.json").write_text(json.dumps({"classes": [f"c{i}" for i in range(9)]}))
    command = f"train --data {data} --out {tmp_path / 'run'} {SMALL}"
    text = said(capsys, command)
    assert text.strip().endswith(SILENT)
    assert main([*command.split(), *SILENT.split()]) == 0


def test_evaluate_reads_the_classes_as_training_does(tmp_path, capsys) -> None:
    from support.fuzz_place import prepare

    place = prepare(tmp_path)
    command = f"evaluate --model {place / 'model.safetensors'} --data {place / 'data'} --cpu "
    command += f"--judge {place / 'reader.safetensors'} --protocols miou-native"
    names = place / "data/train/classes.json"
    assert main(command.split()) == 0
    assert capsys.readouterr().err == ""
    names.write_text('["sky", "sea"]')
    assert main(command.split()) == 0
    told = f"note: the model paints 4 classes, {names} names 2; is it this data set's model?\n"
    assert capsys.readouterr().err == told
    names.write_text("{")
    assert f"{names} is no JSON" in said(capsys, command)


def test_the_place_is_tried_before_the_work(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").mkdir()
    assert "net.onnx cannot be written" in said(capsys, "export net.onnx --model nowhere")
    (tmp_path / "made").write_text("mine")

    def refuse(*_, **__):
        raise AssertionError("the work has begun")

    monkeypatch.setattr("ecgan.teaching.toy_models.make_segmenter", refuse)
    assert "cannot be written" in said(capsys, "make-toy toy_judge --out made")
    assert (tmp_path / "made").read_text() == "mine"


def test_a_segmenter_leaves_255_out_and_is_not_scored_on_what_it_was_fitted_to(
    tmp_path, capsys
) -> None:
    from support.scenes_on_disk import blocks, save, write

    write(tmp_path, "folder", [0, 1, 255], size=(32, 32))
    command = f"segmenter {tmp_path / 's.safetensors'} --data {tmp_path} --steps 1 --width 2 "
    command += "--batch-size 2 --cpu --model.height 32 --model.width 32 --model.classes 2"
    assert main(command.split()) == 0
    assert "kept apart" not in capsys.readouterr().out
    for path in (tmp_path / "labels").iterdir():
        save(blocks([255], (32, 32)), path)
    assert "every pixel of every layout is 255" in said(capsys, command)


# Models by name.


def test_a_folder_without_a_result_says_what_is_there(tmp_path) -> None:
    run = tmp_path / "runs" / "x"
    step = run / "checkpoints" / "step-00000002"
    step.mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"x holds no generator.safetensors yet, nor is it"):
        find_model(str(run))
    (run / "run.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no generator.safetensors yet: the run has not"):
        find_model(str(run))
    for folder in (step, step.parent):
        with pytest.raises(CheckpointError, match=rf"name the run's folder, {run}$"):
            find_model(str(folder))
    (run / "generator.safetensors").write_bytes(b"")
    assert find_model(str(run)) == run / "generator.safetensors"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("latest_net_G.pth", r"is no .safetensors file.*load_released"),
        ("runs/none", r"there is no runs/none: name the folder of a run"),
        ("toys", r"no shipped model 'toys'; there are: .*toy_segmenter"),
        ("toy_judge", r"is a DilatedJudge, not a generator"),
    ],
)
def test_what_is_no_model_is_named(name, says) -> None:
    with pytest.raises(CheckpointError, match=says) as told:
        find_generator(name)
    assert str(checkpoint.WEIGHTS) not in str(told.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(value, tmp_path, capsys) -> None:
    network = Generator(
        ModelConfig(classes=9, height=32, width=32, base_channels=2, spade_hidden=4)
    )
    with torch.no_grad():
        name, weight = next(iter(network.named_parameters()))
        weight[0] = value
    path = tmp_path / "broken.safetensors"
    checkpoint.save(path, network)
    assert f"{path}: entry {name} holds NaN or infinity" in said(
        capsys, f"evaluate --model {path} --images 2"
    )


# What goes wrong outside.


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
)
def test_out_of_memory_is_a_sentence_that_names_what_the_command_has(
    error, monkeypatch, capsys
) -> None:
    def full(*_, **__):
        raise error

    monkeypatch.setattr(training, "train_run", full)
    monkeypatch.setattr(scoring, "find_generator", full)
    assert "out of memory; lower --batch-size" in said(capsys, "train")
    text = said(capsys, "evaluate")
    assert "out of memory" in text
    assert "batch" not in text


@pytest.mark.parametrize("command", ["train", "evaluate", "export x.onnx"])
def test_interrupted_is_a_sentence_and_130(command, monkeypatch, capsys) -> None:
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train_run", stopped)
    monkeypatch.setattr(scoring, "find_generator", stopped)
    monkeypatch.setattr("ecgan.weights.named.find_generator", stopped)
    assert "stopped by Ctrl-C" in said(capsys, command, code=130)


def test_an_interrupt_of_a_process(tmp_path) -> None:
    command = [sys.executable, "-m", "ecgan", "evaluate", "--images", "100000", "--cpu"]
    running = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # A shell's background jobs are deaf to Ctrl-C, and so are their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        _, text = running.communicate(timeout=60)
    finally:
        running.kill()
    # While a library is being imported, Python ends itself by the signal: 130 to a shell, too.
    assert running.returncode in (130, -signal.SIGINT), text
    assert text == "ecgan: stopped by Ctrl-C; files that were finished stay as they are\n"


def test_another_code_page_hides_no_sentence(tmp_path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "ecgan", "synthesize", str(tmp_path / "海.png"), "-o", "x"]
    ran = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("ecgan: there is no ")
    assert "\\u6d77" in ran.stderr


def test_a_cache_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    wanted = Published(
        purpose="a loss", urls=("http://localhost:9/x.pth",), sha256_prefix="00",
        variable="X", way_out="or not.",
    )  # fmt: skip
    with pytest.raises(WeightsUnavailable, match=r"cache folder .*file.* cannot be written.*XDG_"):
        wanted.fetch(folder=tmp_path / "file" / "cache")


def test_an_archive_may_be_brought_by_hand(tmp_path) -> None:
    archive = Archive(name="x.zip", urls=("http://localhost:9/x.zip",))
    source = Source(title="X", licence="free", archives=(archive,), counts={})
    with pytest.raises(FetchError, match=rf"by hand, put it into {tmp_path} as x\.zip"):
        fetch("x", tmp_path, source=source)


def test_a_grid_that_is_not_there_says_where_it_was_looked_for(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GridError, match=rf"no grid grid.yaml \(looked for in {tmp_path}\).*own is"):
        read_grid("grid.yaml")


def test_two_data_sets_of_ones_own_do_not_meet_in_one_folder() -> None:
    assert usual_folder("toy", None) == Path("runs/toy")
    assert usual_folder("toy", Path("here/beach")) == Path("runs/beach")
    assert usual_folder("toy", Path("here/beach/train")) == Path("runs/beach")
    assert usual_folder("facades", Path("here/beach")) == Path("runs/facades")


# The words.


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("no label (dont_care=False)", "no label (--model.no-dont-care)"),
        ("say dont_care=True.", "say --model.dont-care."),
        ("set instance_boundaries=False", "set --model.no-instance-boundaries"),
        ('let them be found: edges="compute"', "let them be found: --edges compute"),
        ("training.steps: was 3, is 4", "--steps: was 3, is 4"),
        ("lower batch_size, or add scenes", "lower --batch-size, or add scenes"),
        ("losses.contrast.dim is 0", "--losses.contrast.dim is 0"),
        ("9 classes; the width of the final image", "9 classes; the width of the final image"),
        ("my_batch_size/edge_transfer.png", "my_batch_size/edge_transfer.png"),
        ("see ecgan.method.layouts.from_colors", "see ecgan.method.layouts.from_colors"),
    ],
)
def test_python_is_said_as_options(python, shell) -> None:
    assert spoken(python) == shell


def test_the_commands_own_options_come_first() -> None:
    def command(*, images: int = 3, few: bool = False): ...

    assert spoken("images is 0; with few=True", command) == "--images is 0; with --few"
    assert spoken("data.images is 0", command) == "--data.images is 0"


def test_an_error_without_a_command_keeps_its_type() -> None:
    with pytest.raises(CommandError, match="facades needs --data"):
        training.train_run(training.PRESETS["facades"], Path("nowhere"))
