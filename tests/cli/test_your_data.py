r"""The commands of "Your own pictures", word for word, on a folder made here; only fewer steps."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecgan.cli.main import main
from ecgan.files import records
from support.chapters import ROOT
from support.scenes_on_disk import photo, save

CLASSES = ["sky", "sea", "sand", "people"]
# Said after the page's own words, so that seconds are enough.
QUICK = {
    "doctor": [],
    "segmenter": ["--steps", "3", "--width", "4"],
    "train": "--steps 3 --batch-size 2 --sample-every 2 --model.height 32 --model.width 32 "
    "--model.base-channels 2 --model.spade-hidden 4 --model.max-channels 8".split(),
    "synthesize": [],
    "evaluate": ["--few"],
}


def commands() -> list[list[str]]:
    r"""The page's calls of ecgan, in order."""
    text = (ROOT / "book" / "pages" / "your_data.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("ecgan ")]


def layout(seed: int, size: tuple[int, int]) -> np.ndarray:
    r"""Bands of sky, sea and sand, and two people."""
    dice = np.random.default_rng(seed)
    heights = np.sort(dice.integers(5, size[0] - 5, 2))
    rows = np.searchsorted(heights, np.arange(size[0]), side="right")
    labels = np.broadcast_to(rows.reshape(-1, 1), size).copy()
    for column in dice.integers(0, size[1] - 3, 2):
        labels[-8:-2, column : column + 3] = 3
    return labels.astype(np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    r"""A folder as the page describes it: pictures of different sizes, some put aside."""
    place = tmp_path_factory.mktemp("place")
    for part, count in (("train", 6), ("val", 4)):
        folder = place / "my_photos" / part
        for number in range(count):
            size = ((48, 40), (40, 56))[number % 2]
            seed = number + 10 * (part == "val")
            save(photo(seed, size), folder / "images" / f"beach_{number:02d}.jpg")
            save(layout(seed, size), folder / "labels" / f"beach_{number:02d}.png")
        (folder / "classes.json").write_text(json.dumps({"classes": CLASSES}))
    return place


def test_the_page_tells_the_whole_way() -> None:
    names = [words[0] for words in commands()]
    order = ["doctor", "doctor", "segmenter", "segmenter", "train", "synthesize", "evaluate"]
    assert names == order


def test_doctor_train_synthesize_evaluate(place: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(place)
    said = {}
    for words in commands():
        assert main([*words, *QUICK[words[0]]]) == 0
        said[words[0]] = capsys.readouterr().out
    assert "ready for training" in said["doctor"]
    assert "4 classes, as" in said["train"]
    assert "finished 3 steps; wrote runs/my_photos/generator.safetensors" in said["train"]
    run = json.loads(Path("runs/my_photos/run.json").read_text())
    assert run["config"]["model"]["classes"] == 4
    assert [path.name for path in Path("runs/my_photos/samples").iterdir()] == ["00000002.png"]
    painted = {path.name for path in Path("painted").iterdir()}
    kinds = ("edge", "first", "final")
    assert painted == {f"beach_{n:02d}_{kind}.png" for n in range(4) for kind in kinds}
    assert Image.open("painted/beach_00_final.png").size == (32, 32)
    rows = records.read("runs/my_photos/scores.jsonl")
    assert [(row["metric"], row["protocol"]["name"]) for row in rows] == [
        ("fid", "fid-validation"),
        ("kid", "kid-training"),
        ("miou", "miou-native"),
        ("accuracy", "miou-native"),
        ("miou", "miou-upsampled"),
        ("accuracy", "miou-upsampled"),
    ]
    for row in rows:
        assert row["checkpoint"] == "runs/my_photos"
        assert row["config"]["training"]["steps"] == 3
        assert row["seed"] == 0
        assert f"{row['value']:.4f}" in said["evaluate"]
    named = {row["protocol"]["name"]: row["protocol"] for row in rows}
    assert (named["fid-validation"]["images"], named["kid-training"]["real"]) == (4, 6)


def test_the_same_command_again_has_nothing_left_to_do(place: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(place)
    (train,) = [words for words in commands() if words[0] == "train"]
    model = Path("runs/my_photos/generator.safetensors")
    if not model.is_file():
        pytest.skip("the test before this one trains")
    before = sorted(Path("runs/my_photos/checkpoints").rglob("*"))
    assert main([*train, *QUICK["train"]]) == 0
    assert "finished 3 steps" in capsys.readouterr().out
    assert sorted(Path("runs/my_photos/checkpoints").rglob("*")) == before


def test_export_of_the_trained_network(place: Path, monkeypatch, capsys) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(place)
    if not Path("runs/my_photos").is_dir():
        pytest.skip("the test before this one trains")
    command = "export net.onnx --model runs/my_photos --dynamic-batch --outputs final gates"
    assert main(command.split()) == 0
    assert capsys.readouterr().out == "wrote net.onnx\n"
    assert Path("net.onnx").stat().st_size > 1000
