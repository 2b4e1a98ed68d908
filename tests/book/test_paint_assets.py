r"""What the painter needs beside its page: made, fetched, or honestly missing."""

import json
import sys
from itertools import chain
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="the painter's network needs onnx: pip install .[onnx]")

from book.tools import npm, paint_assets
from support.asked import may_install


def test_without_the_runtime_the_build_goes_on(tmp_path: Path, monkeypatch, capsys) -> None:
    def refused(folder: Path) -> None:
        raise OSError("no network")

    monkeypatch.setattr(paint_assets, "GENERATED", tmp_path / "generated")
    monkeypatch.setattr(paint_assets, "export_networks", lambda folder: None)
    monkeypatch.setattr(paint_assets, "fetch_runtime", refused)
    assert not paint_assets.prepare()
    assert "stays a still picture: no network. With" in capsys.readouterr().err
    world = tmp_path / "generated" / "world.json"
    assert json.loads(world.read_text())["runtime"] is False
    monkeypatch.setattr(paint_assets, "fetch_runtime", lambda folder: None)
    assert paint_assets.prepare()
    assert json.loads(world.read_text())["runtime"] == {
        name: list(files) for name, files in paint_assets.RUNTIMES.items()
    }


def test_without_pip_and_npm_it_is_a_still_picture_too(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(paint_assets, "GENERATED", tmp_path / "generated")
    monkeypatch.setattr(npm, "FOLDER", tmp_path / "npm")
    monkeypatch.setattr(paint_assets, "export_networks", lambda folder: None)
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
