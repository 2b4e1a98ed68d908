r"""What is painted is what training saw: numbering, size, files of a folder."""

import json
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from ecgan.cli.main import main
from ecgan.config import Config, DataConfig, LossConfig, ModelConfig, TrainingConfig
from ecgan.data.folders.batches import folder_batches
from ecgan.data.folders.conventions import CONVENTIONS, FolderError
from ecgan.data.folders.dataset import FolderDataset
from ecgan.data.folders.layouts import (
    check_numbering,
    check_out,
    fitting_size,
    layout_files,
    read_layout,
)
from ecgan.data.folders.numbering import PLAIN, from_notes
from ecgan.method.layouts import semantics
from ecgan.training import RunSettings, fit
from ecgan.weights.checkpoint import load, notes
from support.scenes_on_disk import blocks, save, write

OFF = LossConfig(
    feature_matching=0, perceptual=0, contrastive=0, similarity=0, class_specific=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "values", "dont_care"),
    [("facades", [1, 5, 12], False), ("ade20k", [0, 1, 7, 12], True)],
)
def test_a_trained_model_paints_what_it_was_trained_on(tmp_path, name, values, dont_care):
    folder = write(tmp_path / "data", name, values, keys=("a", "b"))
    model = ModelConfig(
        classes=12, dont_care=dont_care, height=32, width=32, base_channels=2, spade_hidden=2,
        max_channels=4,
    )  # fmt: skip
    config = Config(
        model=model, data=DataConfig(name="own", flip=False), losses=OFF,
        training=TrainingConfig(steps=2, batch_size=2),
    )  # fmt: skip
    fit(config, tmp_path / "run", data=folder, settings=RunSettings(cpu=True, sample_every=0))
    file = tmp_path / "run/generator.safetensors"
    numbering = from_notes(notes(file)["numbering"])
    assert numbering.reads_like(CONVENTIONS[name])
    (batch,) = islice(folder_batches(FolderDataset(folder, config=config)), 1)
    files = layout_files([folder])
    for path in files.values():
        layout = read_layout(path, numbering=numbering, model=load(file).config, size=(32, 32))
        assert torch.equal(semantics(layout.labels, config=model)[0], batch.semantics[0])
        raw = read_layout(path, numbering=PLAIN, model=ModelConfig(classes=255), size=(32, 32))
        assert not torch.equal(raw.labels, layout.labels)  # the fault that this test is for
    labels = str(next(iter(files.values())))
    assert main(["synthesize", labels, "-o", str(tmp_path / "out"), "--model", str(file)]) == 0


def test_a_file_of_another_numbering_is_named(tmp_path, capsys):
    write(tmp_path, "facades", [1, 2], keys=("a",))
    path = tmp_path / "base/a.png"
    with pytest.raises(FolderError, match=r"label file of CMP facades, numbered from 1.*folder"):
        check_numbering(path, PLAIN)
    check_numbering(path, CONVENTIONS["facades"])
    alone = save(blocks([0, 1]), tmp_path / "elsewhere/base/b.png")  # no photograph beside it
    check_numbering(alone, PLAIN)
    arguments = ["synthesize", str(path), "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "--numbering facades" in capsys.readouterr().err
    assert main([*arguments, "--numbering", "facades"]) == 0


@pytest.mark.parametrize(
    ("size", "painted"),
    [
        ((64, 128), (64, 128)), ((32, 32), (32, 32)), ((48, 40), (32, 32)),
        ((375, 500), (192, 256)), ((33, 64), (32, 64)), ((5, 7), (64, 96)),
        ((4000, 3000), (256, 192)),
    ],
)  # fmt: skip
def test_the_size_is_the_files_or_near_it(size, painted):
    model = ModelConfig(classes=2, height=64, width=64)
    found = fitting_size(size, model)
    assert found == painted
    assert found[0] * found[1] <= 16 * 64 * 64


def test_any_size_and_a_word_where_it_is_changed(tmp_path, capsys):
    wide = save(blocks([0, 3], (64, 128)), tmp_path / "wide.png")
    odd = save(blocks([0, 3], (48, 40)), tmp_path / "odd.png")
    out = tmp_path / "out"
    assert main(["synthesize", str(wide), str(odd), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{odd} is 48 x 40 (height x width); painted at 32 x 32, 20% wider" in said
    assert "wide.png is" not in said
    assert np.array(Image.open(out / "wide_final.png")).shape == (64, 128, 3)
    assert main(["synthesize", str(odd), "-o", str(out), "--size", "96x64"]) == 0
    assert main(["synthesize", str(odd), "-o", str(out), "--size", "50x64"]) == 2
    assert "multiples of 32: try --size 64x64" in capsys.readouterr().err
    assert main(["synthesize", str(odd), "-o", str(out), "--size", "large"]) == 2


def test_one_bad_file_does_not_stop_the_others(tmp_path, capsys):
    for name in ("a", "b", "c"):
        save(blocks([0, 3], (32, 32)), tmp_path / f"in/{name}.png")
    (tmp_path / "in/b.png").write_bytes(b"nothing")
    assert main(["synthesize", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert (
        captured.err == f"ecgan: {tmp_path / 'in/b.png'} is not an image; delete it or fetch "
        "it again\n"
    )
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_files_of_subfolders_and_every_ending(tmp_path):
    for name in ("a.PNG", "b.tif", "night/a.bmp", "._c.png"):
        save(blocks([0]), tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    assert list(layout_files([tmp_path])) == ["a", "b", "night/a"]
    save(blocks([0]), tmp_path / "a.tif")
    with pytest.raises(FolderError, match=r"would both become a_final.png"):
        layout_files([tmp_path])


def test_pictures_do_not_become_layouts(tmp_path):
    (tmp_path / "in").mkdir()
    for out in (tmp_path / "in", tmp_path / "in/painted"):
        with pytest.raises(FolderError, match="choose a folder beside it"):
            check_out(out, [tmp_path / "in"])
    check_out(tmp_path / "out", [tmp_path / "in"])


def test_a_numbering_survives_json():
    for convention in CONVENTIONS.values():
        assert from_notes(json.loads(json.dumps(convention.as_notes()))).reads_like(convention)
    assert from_notes(None) is PLAIN
