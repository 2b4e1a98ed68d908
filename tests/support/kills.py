r"""`make kill`: SIGKILL at random moments of everything that writes files.

Run as a program, with the number of kills. After each kill every file that bears its own name is
the older one or the new one, whole; at the end all is as if nothing had happened. It stays free of
gradients itself, so that it may fork.
"""

import io
import json
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch._dynamo  # every optimiser asks for it, slowly: once, before forking, is enough

from ecgan.cli.main import main as ecgan
from ecgan.config import ModelConfig
from ecgan.data.fetch.fetch import DONE, fetch
from ecgan.data.fetch.sources import Source
from ecgan.data.folders.conventions import HALF_FETCHED, FolderError, recognise
from ecgan.files import records
from ecgan.files.download import Archive
from ecgan.files.whole import check_folder
from ecgan.method.generator import Generator
from ecgan.training import fit
from ecgan.weights import checkpoint
from ecgan.weights.onnx import export_onnx
from support import killed_runs, tiny_run
from support.scenes_on_disk import write

KILLS = 100
OLDER = b"older, and whole"
# How long a step took, who trained, and by which state of the code.
OF_THE_MOMENT = ("log.jsonl", "run.lock", "run.json")
SCENES = 24


class Work(NamedTuple):
    r"""What is killed: how its place is laid out, the work, what must be true after each kill."""

    begin: Callable[[Path], None]
    run: Callable[[Path], None]
    check: Callable[[Path, Path], None]


class HalfWritten(Exception):
    r"""A file that is neither the older one nor the new one."""


def seen(folder: Path) -> dict[str, bytes]:
    r"""The files that bear their own names; what is hidden is unfinished."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts) or name.suffix == ".part"
        if path.is_file() and not hidden and name.name not in OF_THE_MOMENT:
            found[name.as_posix()] = _content(path)
    return found


def _content(path: Path) -> bytes:
    r"""The bytes of a file; of a network its tensors, for the order of its notes is drawn anew."""
    content = path.read_bytes()
    if path.suffix != ".safetensors" or content == OLDER:
        return content
    (length,) = struct.unpack("<Q", content[:8])
    head = json.loads(content[8 : 8 + length])
    head.pop("__metadata__", None)
    return json.dumps(head, sort_keys=True).encode() + content[8 + length :]


def _older_or_new(whole: Path, folder: Path) -> None:
    new = seen(whole)
    for name, content in seen(folder).items():
        if content != new.get(name) and content != OLDER:
            raise HalfWritten(f"{name}: {len(content)} bytes")


def _same(whole: Path, folder: Path) -> None:
    one, other = seen(whole), seen(folder)
    if one != other:
        names = sorted(name for name in one.keys() | other if one.get(name) != other.get(name))
        raise HalfWritten(f"at the end other than without a kill: {names}")


# Training: what a checkpoint folder holds is whole, whatever the moment.


def _train(folder: Path) -> None:
    segmenter = tiny_run.segmenter()
    fit(killed_runs.CONFIG, folder, segmenter=segmenter, settings=killed_runs.SETTINGS)


def _run_is_whole(whole: Path, folder: Path) -> None:
    for path in (folder / "checkpoints").glob("step-*"):
        check_folder(path)
    records.read(folder / "log.jsonl")
    if (folder / "run.json").is_file():
        json.loads((folder / "run.json").read_text())
    name = "generator.safetensors"
    if (folder / name).is_file() and _content(folder / name) != _content(whole / name):
        raise HalfWritten(name)


# The commands that write a file or a folder of files over older ones.


def _with_data(folder: Path) -> None:
    write(folder / "data/train", "folder", list(range(4)), keys=tuple("abcdef"), size=(32, 32))
    write(folder / "data/val", "folder", list(range(4)), keys=tuple("gh"), size=(32, 32))
    for part in ("train", "val"):
        (folder / "data" / part / "classes.json").write_text('["a", "b", "c", "d"]')
    (folder / "reader.safetensors").write_bytes(OLDER)


def _segmenter(folder: Path) -> None:
    command = "--steps 12 --width 2 --cpu --batch-size 2 --model.height 32 --model.width 32"
    arguments = [str(folder / "reader.safetensors"), "--data", str(folder / "data")]
    if ecgan(["segmenter", *arguments, *command.split()]):
        raise SystemExit(1)


def _with_model(folder: Path) -> None:
    torch.manual_seed(0)
    config = ModelConfig(classes=4, height=32, width=32, base_channels=2, spade_hidden=4)
    checkpoint.save(folder / "model.safetensors", Generator(config))
    keys = tuple(f"scene{number:02d}" for number in range(SCENES))
    write(folder / "data", "folder", list(range(4)), keys=keys, size=(32, 32))
    (folder / "painted").mkdir()
    for key in keys[::2]:
        (folder / "painted" / f"{key}_final.png").write_bytes(OLDER)
    (folder / "net.onnx").write_bytes(OLDER)


def _export(folder: Path) -> None:
    export_onnx(checkpoint.load(folder / "model.safetensors"), folder / "net.onnx")


def _synthesize(folder: Path) -> None:
    arguments = [folder / "data/labels", "-o", folder / "painted"]
    arguments += ["--model", folder / "model.safetensors"]
    if ecgan(["synthesize", *map(str, arguments)]):
        raise SystemExit(1)


# Fetching: a folder is known to be fetched by half until all of it is there.


def _source() -> Source:
    return Source(
        title="Facades", licence="none", archives=(Archive(name="base.zip"),),
        counts={"base/*.jpg": SCENES, "base/*.png": SCENES}, by_hand="bring them",
    )  # fmt: skip


def _with_mirror(folder: Path) -> None:
    packed = io.BytesIO()
    dice = random.Random(0)
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(SCENES):
            for ending in ("jpg", "png"):
                member = zipfile.ZipInfo(f"base/{number:03d}.{ending}")
                archive.writestr(member, dice.randbytes(200_000))
    (folder / "mirror").mkdir(parents=True)
    (folder / "mirror/base.zip").write_bytes(packed.getvalue())


def _fetch(folder: Path) -> None:
    fetch("facades", folder / "got", source=_source(), mirror=folder / "mirror", say=lambda _: None)


def _fetched_is_whole(whole: Path, folder: Path) -> None:
    _older_or_new(whole, folder)
    got = folder / "got"
    if (got / HALF_FETCHED).exists():
        try:
            recognise(got)
        except FolderError:
            return
        raise HalfWritten("a folder fetched by half is taken for a data set")
    if seen(got) and seen(got).keys() != seen(whole / "got").keys():
        raise HalfWritten(f"without a mark, but not all is there: {DONE}")


WORKS = {
    "training": Work(lambda folder: folder.mkdir(parents=True), _train, _run_is_whole),
    "segmenter": Work(_with_data, _segmenter, _older_or_new),
    "export": Work(_with_model, _export, _older_or_new),
    "synthesis": Work(_with_model, _synthesize, _older_or_new),
    "fetch": Work(_with_mirror, _fetch, _fetched_is_whole),
}


def _child(work: Work, folder: Path, patience: float | None) -> bool:
    r"""Fork the work, kill it after ``patience`` seconds; whether the kill came before its end."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(quiet, stream)
        code = 1
        try:
            work.run(folder)
            code = 0
        finally:
            os._exit(code)
    if patience is not None:
        time.sleep(patience)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise HalfWritten(f"the work ended with code {os.WEXITSTATUS(status)} in {folder}")
    return False


def kill(name: str, kills: int, root: Path, dice: random.Random) -> str:
    r"""Kill one kind of work so often, taking it up each time; a line that says how it went."""
    work, whole = WORKS[name], root / "whole"
    work.begin(whole)
    began = time.monotonic()
    _child(work, whole, None)
    lasts = time.monotonic() - began
    killed = ended = 0
    folder = root / "0"
    work.begin(folder)
    while killed < kills:
        if _child(work, folder, dice.uniform(0, lasts)):
            killed += 1
            work.check(whole, folder)
            continue
        ended += 1
        _same(whole, folder)
        shutil.rmtree(folder)
        folder = root / str(ended)
        work.begin(folder)
    _child(work, folder, None)
    _same(whole, folder)
    return f"{name}: {killed} kills, {ended + 1} runs to the end, all alike"


def main(kills: int = KILLS, seed: int = 0) -> None:
    torch.set_num_threads(1)
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        for number, name in enumerate(WORKS):
            share = kills // len(WORKS) + (number < kills % len(WORKS))
            print(kill(name, share, Path(place) / name, dice), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
