r"""What the painter needs beside its page: made, fetched, or honestly missing."""

import json
import sys
from itertools import chain
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="the painter's network needs onnx: pip install .[onnx]")

import onnx

from book.tools import npm, paint_assets
from book.tools.paint_worlds import WORLDS, World
from support.asked import may_install


def no_networks(world: World, folder: Path) -> None:
    for name in world.networks:
        (folder / name).write_bytes(b"")


def no_runtime(folder: Path) -> None:
    for name in chain(*paint_assets.RUNTIMES.values()):
        (folder / name).write_bytes(b"0" * 10**6)


def test_without_the_runtime_the_build_goes_on(tmp_path: Path, monkeypatch, capsys) -> None:
    def refused(folder: Path) -> None:
        raise OSError("no network")

    monkeypatch.setattr(paint_assets, "GENERATED", tmp_path / "generated")
    monkeypatch.setattr(paint_assets, "export_networks", no_networks)
    monkeypatch.setattr(paint_assets, "fetch_runtime", refused)
    assert not paint_assets.prepare()
    assert "stays a still picture: no network. With" in capsys.readouterr().err
    files = [tmp_path / "generated" / f"{world.name}.json" for world in WORLDS]
    assert [json.loads(file.read_text())["runtime"] for file in files] == [False, False]
    monkeypatch.setattr(paint_assets, "fetch_runtime", no_runtime)
    assert paint_assets.prepare()
    for told in (json.loads(file.read_text()) for file in files):
        assert told["runtime"] == {name: list(f) for name, f in paint_assets.RUNTIMES.items()}
        assert told["megabytes"] == 2


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_every_convolution_is_over_fours_of_planes(world: World) -> None:
    r"""WebGPU makes garbage of others; to see it there takes minutes."""
    paint_assets.prepare()
    for name in world.networks:
        network = onnx.load(paint_assets.GENERATED / name).graph
        shapes = {one.name: tuple(one.dims) for one in network.initializer}
        made_from = {out: node.input[0] for node in network.node for out in node.output}
        kernels = [node.input[1] for node in network.node if node.op_type == "Conv"]
        assert len(kernels) > 5
        for kernel in kernels:
            while kernel not in shapes:  # stored in half precision, scaled
                kernel = made_from[kernel]
            assert [planes % 4 for planes in shapes[kernel][:2]] == [0, 0], kernel


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_first_start_has_every_class(world: World) -> None:
    model = world.model
    assert len(world.classes) == len(world.colours) == model.classes
    assert set(world.labels(world.starts[0]).unique().tolist()) == set(range(model.classes))
    assert len(world.starts) == len(set(world.starts)) == 12
    assert world.order[:12] == list(world.starts)
    assert len(world.order) == len(set(world.order)) > world.scenes - 1


def test_without_pip_and_npm_it_is_a_still_picture_too(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(paint_assets, "GENERATED", tmp_path / "generated")
    monkeypatch.setattr(npm, "FOLDER", tmp_path / "npm")
    monkeypatch.setattr(paint_assets, "export_networks", no_networks)
    monkeypatch.setattr(npm, "NODE", "a-package-that-cannot-exist==0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert not paint_assets.prepare()
    assert "stays a still picture" in capsys.readouterr().err


@pytest.mark.skipif(not may_install(), reason="Node is not fetched unasked: ECGAN_INSTALL=1")
def test_a_machine_without_node_takes_it_from_pypi(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(npm, "FOLDER", tmp_path / "npm")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert npm.command()[0] == sys.executable
    paint_assets.fetch_runtime(tmp_path)
    made = [paint_assets.GENERATED / name for name in chain(*paint_assets.RUNTIMES.values())]
    assert paint_assets.prepare()
    for path in made:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
