r"""Fitting a segmenter to a folder: no edges, and Ctrl-C keeps what there is."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ecgan.config import ConfigError
from ecgan.data.folders import batches, dataset
from ecgan.data.folders.conventions import FolderError
from ecgan.training.segmenters import fit_on_folder, fit_segmenter, turned
from support import scenes_on_disk, tiny_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return scenes_on_disk.write(tmp_path, "folder", list(range(9)))


def test_no_edges_are_computed(folder: Path, monkeypatch) -> None:
    def refuse(*_, **__):
        raise AssertionError("edges were computed")

    for module in (batches, dataset):
        for name in ("canny", "edge_maps", "find_edges"):
            monkeypatch.setattr(module, name, refuse, raising=False)
    network = tiny_run.segmenter()
    before = [value.clone() for value in network.parameters()]
    fit_on_folder(network, folder, config=tiny_run.config(batch_size=2), steps=2, cpu=True)
    assert not all(map(torch.equal, before, network.parameters()))


def test_turned_pictures_keep_their_labels_and_come_in_eight_directions() -> None:
    torch.manual_seed(0)
    labels = torch.arange(4).reshape(1, 2, 2).expand(200, 2, 2)
    images = labels.float()[:, None].expand(-1, 3, -1, -1)
    pictures, classes = turned(images, labels)
    assert torch.equal(pictures[:, 0].long(), classes)
    assert len({tuple(one.flatten().tolist()) for one in classes}) == 8


def test_turns_are_for_squares(folder: Path) -> None:
    config = replace(tiny_run.config(), model=replace(tiny_run.config().model, width=64, height=32))
    with pytest.raises(ConfigError, match="turns are for square pictures; these are 64 x 32"):
        fit_on_folder(tiny_run.segmenter(), folder, config=config, steps=1, turns=True)


def test_layouts_without_a_class_teach_nothing_and_that_is_said(folder: Path) -> None:
    for path in (folder / "labels").iterdir():
        scenes_on_disk.save(scenes_on_disk.blocks([255]), path)
    config = replace(tiny_run.config(), model=replace(tiny_run.config().model, dont_care=True))
    with pytest.raises(FolderError, match="every pixel of every layout is 255, don't care"):
        fit_on_folder(tiny_run.segmenter(), folder, config=config, steps=1)


def test_ctrl_c_keeps_what_there_is(capfd) -> None:
    taken = []

    def pairs():
        while True:
            taken.append(1)
            if len(taken) == 3:
                os.kill(os.getpid(), signal.SIGINT)
            yield torch.zeros(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.long)

    network = nn.Conv2d(3, 2, 1)
    fitted = fit_segmenter(network, pairs(), steps=100, rate=0.01, weights=torch.ones(2))
    assert len(taken) == 3
    assert fitted is network
    assert "stopping after this step; the segmenter is kept" in capfd.readouterr().err
