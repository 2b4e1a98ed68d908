r"""A user's afternoon by the command line alone: a phone's photographs, a tool's masks."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecgan.cli.main import main
from ecgan.files import records
from ecgan.weights.checkpoint import load
from support.scenes_on_disk import photo

SIZE = (96, 64)  # height, width, upright
TURN = 6  # "turn by 90 degrees", as a phone held upright writes it
CLASSES = ["Himmel", "海", "sand dune"]
COLOURS = [0, 0, 0, 90, 160, 230, 30, 90, 160, 220, 200, 130]
SMALL = "--cpu --batch-size 2 --model.height 32 --model.width 32 --model.base-channels 2 "
SMALL += "--model.spade-hidden 4 --model.max-channels 8 --model.dont-care --ema 0"
PARTS = {"train": 5, "val": 3}


def mask(number: int) -> Image.Image:
    r"""What the tool exports: a palette, 0 for what nobody drew, classes from 1."""
    values = np.zeros(SIZE, np.uint8)
    values[5:40], values[40 + number : 80], values[80:] = 1, 2, 3
    made = Image.fromarray(values).convert("P")
    made.putpalette(COLOURS)
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("our holidays")
    for part, count in PARTS.items():
        for folder in ("images", "labels"):
            (place / "raw" / part / folder).mkdir(parents=True)
        for number in range(count):
            upright = Image.fromarray(photo(number, SIZE))
            exif = Image.Exif()
            exif[0x0112] = TURN if number % 2 else 1
            stored = upright.transpose(Image.Transpose.ROTATE_90) if number % 2 else upright
            images = place / "raw" / part / "images"
            stored.save(images / f"IMG_{number:04d}.JPG", "JPEG", quality=95, exif=exif)
            mask(number).save(place / "raw" / part / "labels" / f"IMG_{number:04d}.png")
        (place / "raw" / part / "labels/.DS_Store").write_bytes(b"the system's")
        names = json.dumps(CLASSES, ensure_ascii=False)
        (place / "raw" / part / "classes.json").write_text(names, encoding="utf-8-sig")
    return place


@pytest.fixture
def ecgan(place, monkeypatch, capsys):
    r"""Types a command in the user's folder; what it printed."""
    monkeypatch.chdir(place)

    def typed(command: str, *, code: int = 0) -> str:
        assert main(command.split()) == code, capsys.readouterr()
        return "".join(capsys.readouterr())

    return typed


def test_the_folder_is_looked_at_and_mended(ecgan, place) -> None:
    before = {path: path.read_bytes() for path in (place / "raw").rglob("*") if path.is_file()}
    said = ecgan("doctor raw/train", code=1)
    assert "held against 3 classes, as raw/train/classes.json says" in said
    assert "size: all 64 x 96 (width x height)" in said
    assert "is 0 'unknown'? then subtract 1 and save unknown as 255" in said
    for part, count in PARTS.items():
        said = ecgan(f"doctor raw/{part} --fix mended/{part}")
        assert "labels: lowered by one, 0 became 255" in said
        assert f"{count} pairs" in said
        assert "with --model.dont-care" in said
        assert "海" in said
    assert {path: path.read_bytes() for path in before} == before
    for path in (place / "mended/train/images").iterdir():
        assert Image.open(path).size == SIZE[::-1]


def test_readers_are_fitted_and_training_goes_on_where_it_ended(ecgan, place) -> None:
    for name, kind in (("reader", "unet"), ("judge", "dilated")):
        sizes = "--steps 3 --width 4 --batch-size 2 --cpu --model.height 32 --model.width 32"
        said = ecgan(f"segmenter {name}.safetensors --data mended --kind {kind} {sizes}")
        assert "on 3 pictures kept apart: IoU Himmel " in said
    train = f"train --data mended/train --segmenter reader.safetensors --steps 3 {SMALL}"
    assert "needs" not in ecgan(f"{train} --minutes 0")
    assert "finished 3 steps; wrote runs/mended/generator.safetensors" in ecgan(train)
    assert "already finished 3 steps, nothing done" in ecgan(train)
    assert load(place / "runs/mended/generator.safetensors").config.classes == len(CLASSES)


def test_pictures_are_painted_and_scored(ecgan, place) -> None:
    if not (place / "runs/mended").is_dir():
        pytest.fail("the test before this one trains")
    said = ecgan("synthesize mended/val/labels --model runs/mended --out painted")
    assert f"{3 * PARTS['val']} pictures in painted" in said
    painted = Image.open(place / "painted/IMG_0001_final.png")
    assert painted.size == SIZE[::-1]
    protocols = "--protocols kid-validation miou-native miou-upsampled"
    ecgan(
        "evaluate --model runs/mended --data mended/val --judge judge.safetensors "
        f"--features judge {protocols} --cpu --out scores.jsonl"
    )
    rows = records.read(place / "scores.jsonl")
    assert {row["metric"] for row in rows} == {"kid", "miou", "accuracy"}
    assert all(np.isfinite(row["value"]) for row in rows)
    assert ecgan("export net.onnx --model runs/mended --outputs final") == "wrote net.onnx\n"
