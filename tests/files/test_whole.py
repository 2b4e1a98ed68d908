r"""Files are whole or as they were: a full disk, a kill, a place that cannot be written."""

import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image

from ecgan import Generator, ModelConfig
from ecgan.data import toy
from ecgan.errors import EcganError
from ecgan.files import records, whole
from ecgan.files.pictures import as_png
from ecgan.files.whole import RunError, replacing, try_place, write_file
from ecgan.synthesis import save_png
from ecgan.weights import checkpoint

SMALL = ModelConfig(classes=3, height=32, width=32, base_channels=2, spade_hidden=2)


def full_disk(monkeypatch) -> None:
    def put(path, content):
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(whole, "_put", put)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: checkpoint.save(path, Generator(SMALL)),
        lambda path: save_png(path, torch.zeros(3, 8, 8)),
        lambda path: write_file(path, b"new"),
    ],
    ids=["weights", "picture", "bytes"],
)
def test_a_full_disk_leaves_the_older_file(tmp_path, monkeypatch, write):
    path = tmp_path / "file"
    path.write_bytes(b"older")
    full_disk(monkeypatch)
    with pytest.raises(RunError, match=r"file cannot be written \(No space left.*free some space"):
        write(path)
    assert path.read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["file"]


def test_a_block_that_fails_leaves_the_older_file(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"older")
    with pytest.raises(ZeroDivisionError), replacing(path) as unfinished:
        unfinished.write_bytes(bytes(1 // 0))
    assert path.read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["net.onnx"]
    with replacing(path) as unfinished:
        unfinished.write_bytes(b"whole")
        assert path.read_bytes() == b"older"
    assert path.read_bytes() == b"whole"


def test_the_place_is_tried_and_nothing_is_left_or_lost(tmp_path):
    path = tmp_path / "new" / "reader.safetensors"
    try_place(path)
    assert os.listdir(path.parent) == []
    path.write_bytes(b"older")
    try_place(path)
    assert path.read_bytes() == b"older"
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(RunError, match=r"folder.safetensors cannot be written \(Is a directory\)"):
        try_place(tmp_path / "folder.safetensors")
    with pytest.raises(RunError, match=r"Not a directory|File exists"):
        try_place(path / "below" / "a.png")
    with pytest.raises(RunError, match="File exists"):
        write_file("/dev/null", b"it would be replaced")


def test_a_link_goes_on_pointing(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"older")
    link.symlink_to(real)
    write_file(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_a_name_of_250_letters(tmp_path):
    path = tmp_path / ("n" * 246 + ".png")
    write_file(path, as_png(np.zeros((2, 2), np.uint8)))
    assert Image.open(path).size == (2, 2)


def test_a_row_after_a_line_that_was_cut_off(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"value": 1}\n{"val')
    records.append(path, [{"value": 2}])
    assert records.read(path) == [{"value": 1}, {"value": 2}]
    path.write_text('{"val')
    records.append(path, [{"value": 3}])
    assert records.read(path) == [{"value": 3}]


def stranger_picture(folder):
    (folder / "images").mkdir(parents=True)
    (folder / "images/00000.png").write_bytes(as_png(np.zeros((64, 64, 3), np.uint8)))


def own_classes(folder):
    folder.mkdir(parents=True)
    (folder / "classes.json").write_text('{"classes": ["mine"]}')


def own_jpeg(folder):
    (folder / "images").mkdir(parents=True)
    (folder / "images/00000.jpg").write_bytes(b"mine")


def a_note(folder):
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")


@pytest.mark.parametrize("bring", [stranger_picture, own_classes, own_jpeg, a_note])
def test_the_toy_world_touches_no_folder_that_is_not_its_own(tmp_path, bring):
    folder = tmp_path / "mine"
    bring(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(EcganError, match=r"mine already holds .*nothing was changed"):
        toy.write_folder(folder, 2)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_toy_world_goes_on_with_what_it_began(tmp_path):
    one, two = toy.write_folder(tmp_path / "one", 3), toy.write_folder(tmp_path / "two", 3)
    (two / "labels/00001.png").unlink()
    (two / "classes.json").unlink()
    (two / ".DS_Store").write_bytes(b"the system's")
    toy.write_folder(two, 3)
    for path in one.rglob("*.*"):
        assert (two / path.relative_to(one)).read_bytes() == path.read_bytes()
