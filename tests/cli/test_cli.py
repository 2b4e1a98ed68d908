r"""The command line, as a student types it: help, files written, one sentence for each mistake."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ecgan.cli import synthesize as synthesizing
from ecgan.cli import train as training
from ecgan.cli.main import COMMANDS, main, preset_named
from ecgan.config import ModelConfig
from ecgan.data import toy
from ecgan.method.generator import Generator
from ecgan.presets import PRESETS, preset
from ecgan.synthesis import synthesize, to_bytes
from ecgan.teaching import toy_models
from ecgan.training import RunSettings
from ecgan.weights import checkpoint
from support.scenes_on_disk import blocks, save, write

NARROW = ["--model.base-channels", "2", "--model.spade-hidden", "4", "--model.max-channels", "8"]


def fails(capsys, *arguments) -> str:
    r"""The one sentence on stderr of a command that must end with code 2."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("ecgan: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


def run(*arguments, **settings) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "ecgan", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, **settings)


@pytest.fixture
def tiny_generator(tmp_path):
    r"""An untrained generator in a file."""
    config = ModelConfig(classes=9, height=32, width=64, base_channels=2, spade_hidden=4)
    path = tmp_path / "tiny.safetensors"
    checkpoint.save(path, Generator(config))
    return path


def test_module_runs_and_exits_with_the_doctors_code(tmp_path, root):
    write(tmp_path, "folder", [0, 203])
    done = run("doctor", tmp_path, "--config", "toy", cwd=root)
    assert done.returncode == 1
    assert "labels/a.png: label 203" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: ecgan")
    if not command:
        assert all(name in text for name in COMMANDS)


def test_mistyped_options_end_with_code_2(capsys):
    for arguments in (["toy"], ["doctor", ".", "--config", "cityscape"], ["paint"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_toy_writes_what_the_doctor_accepts(tmp_path, capsys):
    assert main(["toy", str(tmp_path), "--count", "3", "--size", "32", "--seed", "4"]) == 0
    assert f"3 scenes of 32 x 32 in {tmp_path}" in capsys.readouterr().out
    expected = toy.scenes(3, height=32, width=32, seed=4).labels
    for index in range(3):
        labels = np.array(Image.open(tmp_path / f"labels/{index:05d}.png"))
        assert np.array_equal(labels, expected[index].numpy())
    assert main(["doctor", str(tmp_path)]) == 0
    assert "3 pairs" in capsys.readouterr().out


def test_what_the_readme_shows_runs(tmp_path, root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (root / "README.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("ecgan ")]
    commands = [shlex.split(line, comments=True)[1:] for line in lines]
    assert [command[0] for command in commands] == ["toy", "synthesize", "--help"]
    for command in commands[:2]:
        assert main(command) == 0
    assert len(list((tmp_path / "pictures").glob("*_final.png"))) == 4
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        (tmp_path / "shown.py").write_text(block)
        runpy.run_path("shown.py")
    assert Image.open("street.png").size == (64, 64)
    assert Image.open("city.png").size == (384, 256)


def test_doctor_sample(tmp_path, capsys):
    write(tmp_path, "folder", [0, 1], keys=tuple("abcdef"))
    main(["doctor", str(tmp_path), "--sample", "2"])
    assert "pixels read: 2 of 6 pairs" in capsys.readouterr().out
    main(["doctor", str(tmp_path), "--sample", "0"])
    assert "pixels read" not in capsys.readouterr().out


def test_synthesize_writes_three_pictures_a_layout(tmp_path, tiny_generator, capsys):
    folder = write(tmp_path / "in", "folder", [0, 1, 2])
    single = save(blocks([5, 6]), tmp_path / "other.png")
    out = tmp_path / "new" / "out"
    arguments = [folder / "labels", single, "-o", out, "--model", tiny_generator]
    arguments += ["--size", "32x64"]
    assert main(["synthesize", *map(str, arguments)]) == 0
    kinds = ("edge", "final", "first")
    expected = {f"{name}_{kind}.png" for name in ("a", "b", "c", "other") for kind in kinds}
    assert {path.name for path in out.iterdir()} == expected
    assert "12 pictures in" in capsys.readouterr().out
    labels = blocks([5, 6])
    rows, columns = ((2 * np.arange(n) + 1) * old // (2 * n) for n, old in ((32, 48), (64, 40)))
    resized = torch.from_numpy(labels[rows][:, columns].astype(np.int64))
    made = synthesize(checkpoint.load(tiny_generator), resized)
    for kind in kinds:
        picture = np.array(Image.open(out / f"other_{kind}.png"))
        assert np.array_equal(picture, to_bytes(getattr(made, kind)[0]))


def test_synthesize_uses_the_shipped_model_unless_told(tmp_path):
    toy.write_folder(tmp_path, 1, seed=1)
    assert main(["synthesize", str(tmp_path / "labels"), "--out", str(tmp_path / "out")]) == 0
    made = synthesize(checkpoint.shipped("toy"), toy.scenes(1, seed=1).labels)
    picture = np.array(Image.open(tmp_path / "out/00000_final.png"))
    assert np.array_equal(picture, to_bytes(made.final[0]))


def test_synthesize_with_instances(tmp_path):
    config = ModelConfig(
        classes=9, instance_boundaries=True, height=32, width=32, base_channels=2, spade_hidden=4
    )
    path = tmp_path / "tiny.safetensors"
    checkpoint.save(path, Generator(config))
    write(tmp_path, "folder", [0, 1], keys=("a",), instances=[1, 2, 3])
    arguments = ["synthesize", str(tmp_path / "labels"), "--model", str(path), "-o"]
    shown = []
    for number, ids in enumerate(([1, 2, 3], [1])):
        save(blocks(ids), tmp_path / "instances/a.png")
        out = tmp_path / str(number)
        assert main([*arguments, str(out), "--instances", str(tmp_path / "instances")]) == 0
        shown.append((out / "a_final.png").read_bytes())
    assert shown[0] != shown[1]


def test_what_is_wrong_with_a_layout_is_one_sentence(tmp_path, tiny_generator, capsys):
    options = ["-o", tmp_path / "out", "--model", tiny_generator]
    wrong = save(blocks([0, 77]), tmp_path / "wrong.png")
    assert f"label 77 in {wrong}" in fails(capsys, "synthesize", wrong, *options)
    colour = save(np.full((8, 8, 3), (200, 0, 0), np.uint8), tmp_path / "colour.png")
    assert "colour picture (mode RGB)" in fails(capsys, "synthesize", colour, *options)
    nothing = tmp_path / "nothing.png"
    assert f"there is no {nothing}" in fails(capsys, "synthesize", nothing, *options)
    (tmp_path / "empty").mkdir()
    assert "no layout was given" in fails(capsys, "synthesize", *options)
    sentence = fails(capsys, "synthesize", tmp_path / "empty", *options)
    assert f"no layout is in {tmp_path / 'empty'}" in sentence
    twin = save(blocks([0]), tmp_path / "twin/wrong.png")
    sentence = fails(capsys, "synthesize", wrong, twin, *options)
    assert "would both become wrong_final.png" in sentence
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_with_a_model_is_one_sentence(tmp_path, capsys):
    layout = save(blocks([0]), tmp_path / "a.png")
    arguments = ["synthesize", layout, "-o", tmp_path / "out", "--model"]
    sentence = fails(capsys, *arguments, "toys")
    assert "no shipped model 'toys'; there are: " in sentence
    assert "UNet, not a generator" in fails(capsys, *arguments, "toy_segmenter")
    assert "no file" in fails(capsys, *arguments, tmp_path / "none.safetensors")


def test_what_is_wrong_with_the_toy_world_is_one_sentence(tmp_path, capsys):
    assert "even number of at least 32" in fails(capsys, "toy", tmp_path / "a", "--size", 31)
    assert "at least 1" in fails(capsys, "toy", tmp_path / "a", "--count", 0)


def test_an_unwritable_place_is_one_sentence(tmp_path, tiny_generator, capsys):
    (tmp_path / "file").write_text("in the way")
    layout = save(blocks([0]), tmp_path / "a.png")
    place = tmp_path / "file" / "out"
    sentence = fails(capsys, "synthesize", layout, "-o", place, "--model", tiny_generator)
    assert str(tmp_path / "file") in sentence


def test_errors_that_are_not_ours_keep_their_traceback(monkeypatch, tmp_path):
    def broken(*_, **__):
        return int("seven")

    # A fault in the program must not look like the user's: int() raises it, but from here.
    monkeypatch.setattr(synthesizing, "synthesize_files", broken)
    with pytest.raises(ValueError, match="seven"):
        main(["synthesize", "a.png", "-o", str(tmp_path)])


def test_presets_of_the_command_line_are_those_of_the_package():
    from typing import get_args

    from ecgan.cli import PresetName

    assert set(get_args(PresetName)) == set(PRESETS)


def test_preset_is_known_before_parsing():
    assert preset_named(["train", "--steps", "3"]) == "toy"
    assert preset_named(["train", "--config", "ade20k", "--steps", "3"]) == "ade20k"
    assert preset_named(["train", "--config=facades"]) == "facades"
    assert preset_named(["train", "--config"]) == "toy"
    assert preset_named(["train", "--config", "nonsense"]) == "toy"


class Handed(Exception):
    r"""Ends a command once its arguments have arrived."""


def test_train_hands_over_preset_and_changes(monkeypatch, tmp_path):
    seen = {}

    def pretend(config, out, **options):
        seen.update(config=config, out=out, **options)
        raise Handed

    monkeypatch.setattr(training, "train_run", pretend)
    arguments = ["--config", "ade20k", "--data", "x", "--steps", "7", "--batch-size", "3"]
    changes = ["--losses.contrastive", "0", "--model.base-channels", "32", "--minutes", "9"]
    more = ["--start", "z", "--discriminator-first", "8"]
    more += ["--segmenter", "y", "--precision", "fp16", "--checkpoint-every", "11", "--cpu"]
    with pytest.raises(Handed):
        main(["train", *arguments, *changes, *more])
    published = preset("ade20k")
    config = seen["config"]
    assert config.data == published.data
    assert (config.training.steps, config.training.batch_size) == (7, 3)
    assert config.training.generator_rate == published.training.generator_rate
    assert config.training.precision == "fp16"
    assert (config.losses.contrastive, config.losses.perceptual) == (0, 10)
    assert (config.model.base_channels, config.model.classes) == (32, 150)
    assert (str(seen["data"]), seen["segmenter"], str(seen["out"])) == ("x", "y", "runs/ade20k")
    assert (seen["start"], seen["discriminator_first"]) == ("z", 8)
    assert seen["settings"] == RunSettings(minutes=9, checkpoint_every=11, cpu=True)


def test_the_options_that_the_page_names_are_options(monkeypatch, root):
    def pretend(*_, **__):
        raise Handed

    monkeypatch.setattr(training, "train_run", pretend)
    table = (root / "book/pages/your_data.md").read_text().split("## What to change")[1]
    named = re.findall(r"^\| [^|]+ \| `(--[^`]+)`", table, re.MULTILINE)
    assert len(named) >= 8
    for options in named:
        with pytest.raises(Handed):
            main(["train", "--data", "x", *shlex.split(options)])


def test_train_on_a_folder_then_synthesize(tmp_path, capsys):
    toy.write_folder(tmp_path / "data", 6)
    out = tmp_path / "run"
    arguments = ["train", "--config", "toy", "--data", tmp_path / "data", "-o", out, "--steps", 3]
    arguments += ["--batch-size", 2, *NARROW]
    assert main([str(argument) for argument in arguments]) == 0
    model = out / "generator.safetensors"
    assert f"finished 3 steps; wrote {model}" in capsys.readouterr().out
    config = json.loads((out / "run.json").read_text())["config"]
    assert config["training"]["steps"] == 3
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 3]
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert checkpoint.load(model).config.base_channels == 2
    assert checkpoint.notes(model)["config"]["data"]["name"] == "toy"
    layout = tmp_path / "data/labels/00000.png"
    command = ["synthesize", layout, "-o", tmp_path / "out", "--model", out]
    assert main([str(argument) for argument in command]) == 0
    assert Image.open(tmp_path / "out/00000_final.png").size == (64, 64)
    other = [*arguments, "--seed", 5]
    assert "--seed: was 0, is 5" in fails(capsys, *other)


def test_an_end_before_the_last_step_says_how_to_go_on(tmp_path, capsys):
    arguments = ["train", "--steps", "9", "--minutes", "0", "-o", str(tmp_path / "run"), *NARROW]
    arguments += ["--model.height", "32", "--model.width", "32", "--sample-every", "0"]
    data = toy.write_folder(tmp_path / "data", 4, height=32, width=32)
    assert main([*arguments, "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert "out of time at step 1 of 9" in said
    assert "The same command goes on from here" in said
    assert "an average over about 200 steps, so after 1 it still shows the beginning" in said
    other = [*arguments, "--data", str(data), "--ema", "0", "--out", str(tmp_path / "other")]
    assert main(other) == 0
    assert "average" not in capsys.readouterr().out


def test_train_starts_where_it_is_told(tmp_path, tiny_generator):
    data = toy.write_folder(tmp_path / "data", 4, height=32, width=64)
    arguments = ["train", "-o", tmp_path / "run", "--data", data, "--start", tiny_generator]
    arguments += ["--steps", 9, "--minutes", 0, "--sample-every", 0, "--discriminator-first", 3]
    model = {"height": 32, "width": 64, "base-channels": 2, "spade-hidden": 4}
    model |= {"max-channels": None}
    arguments += [word for name, value in model.items() for word in (f"--model.{name}", value)]
    assert main([str(argument) for argument in arguments]) == 0
    given, found = map(checkpoint.load, (tiny_generator, tmp_path / "run/generator.safetensors"))
    for before, after in zip(given.parameters(), found.parameters(), strict=True):
        assert torch.equal(before, after)
    facts = json.loads((tmp_path / "run/run.json").read_text())
    assert facts["start"]["discriminator_first"] == 3


def test_a_start_is_looked_at_before_features_are_fetched(tmp_path, capsys, monkeypatch):
    def fetched(_):
        raise AssertionError("fetched for nothing")

    monkeypatch.setattr("ecgan.readers.perceptual.published_features", fetched)
    arguments = ["train", "--out", tmp_path / "run", *NARROW, "--start", "toy"]
    assert "cannot start from these weights" in fails(capsys, *arguments)


def test_a_segmenter_must_know_the_classes(tmp_path, capsys):
    arguments = ["train", "--out", tmp_path / "run", *NARROW, "--model.classes", 5]
    sentence = fails(capsys, *arguments, "--segmenter", "toy_segmenter")
    assert "toy_segmenter knows 9 classes; a segmenter of 5 classes is needed" in sentence
    sentence = fails(capsys, *arguments, "--segmenter", "toy")
    assert "toy is a Generator; a segmenter of 5 classes is needed" in sentence


def test_evaluate_the_toy_world(tmp_path, capsys, tiny_generator):
    out = tmp_path / "rows.jsonl"
    arguments = ["evaluate", "--model", tiny_generator, "--images", 8, "--out", out]
    arguments += ["--protocols", "kid-training", "miou-native"]
    assert main([str(argument) for argument in arguments]) == 0
    said = capsys.readouterr().out
    assert f"added 3 rows to {out}" in said
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["metric"] for row in rows] == ["kid", "miou", "accuracy"]
    assert rows[0]["data"] == "toy world"
    assert rows[0]["protocol"]["features"] == "means of toy_judge's maps"
    assert {row["painter"] for row in rows} == {"final"}
    assert "8 images for 64 features" in fails(capsys, *arguments[:-2], "fid-validation")


def test_evaluate_beside_other_painters(tmp_path, capsys, tiny_generator):
    out = tmp_path / "rows.jsonl"
    arguments = ["evaluate", "--model", tiny_generator, "--images", 4, "--out", out]
    arguments += ["--protocols", "miou-native", "--yardsticks"]
    assert main([str(argument) for argument in arguments]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    painters = ["final", "first", "real", "flat"]
    assert [row["painter"] for row in rows if row["metric"] == "miou"] == painters
    assert re.search(r"^real +miou +0\.\d+  miou-native", capsys.readouterr().out, re.MULTILINE)


def test_evaluate_at_another_size_by_the_judge_of_that_size(tmp_path, capsys, tiny_generator):
    out = tmp_path / "rows.jsonl"
    arguments = ["evaluate", "--model", tiny_generator, "--images", 2, "--out", out]
    arguments += ["--protocols", "miou-native", "--size", "128"]
    assert main([str(argument) for argument in arguments]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["size"] for row in rows] == [[128, 128]] * 2
    assert rows[0]["protocol"]["segmenter"] == "toy_judge_128"
    assert "multiples of" in fails(capsys, *arguments[:-1], "100")
    assert "write height x width" in fails(capsys, *arguments[:-1], "large")


def test_evaluate_says_what_is_missing(tmp_path, capsys, tiny_generator, monkeypatch):
    monkeypatch.setenv("ECGAN_INCEPTION", str(tmp_path / "none.pth"))
    write(tmp_path, "folder", [0, 1, 2])
    arguments = ["evaluate", "--model", tiny_generator, "--data", tmp_path]
    assert "ECGAN_INCEPTION" in fails(capsys, *arguments)
    assert "together with --judge" in fails(capsys, *arguments, "--features", "judge")
    assert "--judge" in fails(capsys, *arguments, "--protocols", "miou-native")
    assert "no protocol 'fid'" in fails(capsys, *arguments, "--protocols", "fid")


def test_train_says_what_is_missing(tmp_path, capsys):
    arguments = ["train", "--out", tmp_path / "run", "--config", "facades", *NARROW]
    assert "facades needs --data FOLDER" in fails(capsys, *arguments)
    sentence = fails(capsys, *arguments, "--data", tmp_path)
    assert "no folders of images and labels" in sentence
    write(tmp_path, "facades", [1, 12], keys=tuple("abcde"))
    assert "similarity needs a label generator" in fails(capsys, *arguments, "--data", tmp_path)
    toy_run = ["train", "--out", tmp_path / "run", *NARROW, "--start"]
    assert "toy_segmenter is a UNet, not a generator" in fails(capsys, *toy_run, "toy_segmenter")
    assert "cannot start from these weights" in fails(capsys, *toy_run, "toy")
    assert not (tmp_path / "run").exists()


def test_make_toy_makes_what_is_asked_segmenters_first(monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr(
        toy_models, "make_segmenter", lambda name, folder: made.append(name) or name
    )
    monkeypatch.setattr(
        toy_models,
        "make_generator",
        lambda name, folder, steps, run: made.append((name, folder, steps, run)) or name,
    )
    where = ["--out", str(tmp_path)]
    assert main(["make-toy", "toy", "toy_judge", "--steps", "5", *where]) == 0
    assert made == ["toy_judge", ("toy", tmp_path, 5, None)]
    made.clear()
    assert main(["make-toy"]) == 0
    names = [one if isinstance(one, str) else one[0] for one in made]
    assert names[:2] == ["toy_segmenter", "toy_judge"]
    assert {"toy", "toy_without_transfer", "toy_without_contrastive"} <= set(names)
    assert made[-1][1:] == (checkpoint.WEIGHTS, None, None)
    assert not any("128" in name for name in names), "the large ones take hours"
    made.clear()
    run = ["--run", str(tmp_path / "run")]
    assert main(["make-toy", "toy_128", "toy_judge_128", *where, *run]) == 0
    assert made == ["toy_judge_128", ("toy_128", tmp_path, None, tmp_path / "run")]
    capsys.readouterr()
    assert "--run is for one generator; 2 are" in fails(
        capsys, "make-toy", "toy", "toy_128", *where, *run
    )
    assert "no toy model 'toys'; there are toy_segmenter" in fails(capsys, "make-toy", "toys")
