r"""The place in which mistyped commands are tried: data, a run, models, an archive, all small."""

import json
from pathlib import Path

import torch

from ecgan.config import ModelConfig
from ecgan.method.generator import Generator
from ecgan.readers.segmenter import UNet
from ecgan.teaching import toy_models
from ecgan.weights import checkpoint
from support.mutations import Dice
from support.scenes_on_disk import write

SMALL = "--cpu --batch-size 2 --model.height 32 --model.width 32 --model.base-channels 2 "
SMALL += "--model.spade-hidden 4 --model.max-channels 8"
QUIET = "--losses.similarity 0 --losses.cross-entropy 0 --losses.perceptual 0"
# Each command in one line that works; OUT is a place that is not there yet.
LINES = (
    "doctor data",
    "doctor data --config toy --sample 2",
    "doctor data --fix made",
    "toy made --count 2 --size 32 --seed 1",
    "synthesize data/train/labels -o made --model model.safetensors",
    "synthesize data/train/labels/a.png data/val/labels --out made --model run --size 32x64",
    "synthesize data/train --out made --model model.safetensors --numbering folder",
    f"segmenter made.safetensors --data data/train --steps 1 --width 2 {SMALL}",
    "segmenter made.safetensors --data data --steps 1 --width 2 --kind dilated --cpu --seed 3",
    f"train --data data/train --out made --steps 1 --minutes 0 --sample-every 0 {SMALL} {QUIET}",
    f"train --data data/train --segmenter reader.safetensors --steps 1 --minutes 0 --ema 0 {SMALL}",
    f"train --out made --steps 1 --minutes 0 --data.images 4 --log-every 1 {SMALL} {QUIET}",
    "evaluate --model model.safetensors --data data --judge reader.safetensors "
    "--protocols miou-native --out made.jsonl --cpu",
    "evaluate --model run --images 2 --protocols kid-validation --cpu --few",
    "export made.onnx --model model.safetensors --outputs final",
    "make-toy toy --steps 1 --out made",
    "fetch facades made --mirror mirror",
    "fetch cityscapes made",
)
PLACES = ("data", "data/train", "data/train/images", "data/train/labels/a.png", "run", "made",
          "data/train/classes.json", "model.safetensors", "reader.safetensors", "mirror", ".", "..",
          "nowhere", "nowhere/deep", "empty", "note.txt", "data/train/images/a.png", "/dev/null",
          "/proc/nothing", "made/deep", "sp ace", "run/run.json")  # fmt: skip


def prepare(place: Path) -> Path:
    r"""Write all that the commands need, without training anything."""
    for part in ("train", "val"):
        write(place / "data" / part, "folder", list(range(4)), size=(32, 32))
        names = json.dumps({"classes": ["sky", "sea", "sand", "people"]})
        (place / "data" / part / "classes.json").write_text(names)
    torch.manual_seed(0)
    config = ModelConfig(classes=4, height=32, width=32, base_channels=2, spade_hidden=4)
    checkpoint.save(place / "model.safetensors", Generator(config))
    checkpoint.save(place / "run/generator.safetensors", Generator(config))
    checkpoint.save(place / "reader.safetensors", UNet(classes=4, width=2, depth=2))
    (place / "run/run.json").write_text("{}")
    (place / "note.txt").write_text("mine")
    for name in ("empty", "mirror", "sp ace"):
        (place / name).mkdir()
    return place


def command(place: Path, dice: Dice) -> tuple[list[str], list[str]]:
    r"""A line that works, as words, and files and folders that may stand in it instead."""
    return LINES[dice.integers(len(LINES))].split(), list(PLACES)


def quicken() -> None:
    r"""The package's own models are not trained anew, nor are they written over."""

    def made(name: str, *, folder: Path, **_) -> None:
        checkpoint.save(Path(folder) / f"{name}.safetensors", UNet(classes=4, width=2, depth=2))

    toy_models.make_segmenter = toy_models.make_generator = made
    elsewhere = Path("made").absolute
    whole = checkpoint.save

    def save(path, *arguments, **keywords) -> None:
        if Path(path).resolve().parent == checkpoint.WEIGHTS.resolve():
            path = elsewhere() / Path(path).name
        whole(path, *arguments, **keywords)

    checkpoint.save = save


def state(place: Path) -> dict[Path, tuple]:
    r"""Every file below, and what tells that it was touched."""
    found = {}
    for path in sorted(place.rglob("*")):
        if path.is_file():
            about = path.stat()
            found[path] = (about.st_size, about.st_mtime_ns, about.st_ino)
    return found
