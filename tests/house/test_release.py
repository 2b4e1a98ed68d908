r"""What is published: one version, told in the changelog; a wheel that holds all it needs."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import ecgan
from book.tools import release
from support.chapters import ROOT


def test_the_version_is_the_same_in_all_places() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert str(cited) == ecgan.__version__
    assert 'attr = "ecgan.__version__"' in (ROOT / "pyproject.toml").read_text()
    told = re.findall(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert told[0] == ecgan.__version__
    assert told == sorted(told, key=lambda name: [*map(int, name.split("."))], reverse=True)


def test_a_version_that_is_not_told_of_is_not_released() -> None:
    text = "# Changelog\n\n## 0.2.0\n\n- new\n\n## 0.1.0\n\n- old\n\n## 0.0.1\n"
    assert release.noted("0.2.0", text) == "- new"
    assert release.noted("0.1.0", text) == "- old"
    for version in ("0.3.0", "0.0.1", "0x2.0"):
        with pytest.raises(SystemExit, match=rf"says nothing of version {version}"):
            release.noted(version, text)


def test_what_a_wheel_lacks_is_named(tmp_path: Path) -> None:
    package = tmp_path / "ecgan"
    package.mkdir()
    for name in ("a.py", "toy.safetensors", "grid.yaml", "notes.tmp"):
        (package / name).touch()
    wheel = tmp_path / "ecgan.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("ecgan/a.py", "")
    assert release.missing(wheel, package) == ["ecgan/grid.yaml", "ecgan/toy.safetensors"]


def test_the_wheel_holds_the_whole_package(tmp_path: Path) -> None:
    r"""Made by the setuptools that is here, from what an installer would see."""
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ecgan", tmp_path / "ecgan", ignore=hidden)
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, tmp_path)
    make = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    command = [sys.executable, "-c", make]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name == f"ecgan-{ecgan.__version__}-py3-none-any.whl"
    assert release.missing(wheel, tmp_path / "ecgan") == []
    with zipfile.ZipFile(wheel) as opened:
        assert not [name for name in opened.namelist() if name.startswith(("tests", "book"))]


README = """
```python
save_png("street.png", synthesize(shipped("toy"), layout).final[0])
```
```python
save_png("city.png", synthesize(shipped("aerial"), plan).final[0])
```
```python
print("paints nothing")
```
"""


def test_only_what_ships_is_promised() -> None:
    assert [*map(release.PAINTED.findall, release.promised(README, {"toy"}))] == [["street.png"]]
    assert len(release.promised(README, {"toy", "aerial"})) == 2


@pytest.mark.slow
def test_the_lines_of_the_readme_paint_without_a_network(tmp_path: Path) -> None:
    there = {path.stem for path in (ROOT / "ecgan" / "weights").glob("*.safetensors")}
    blocks = release.promised((ROOT / "README.md").read_text(), there)
    assert blocks, "the README shows no lines that paint"
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    for block in blocks:
        command = [sys.executable, "-c", release.NO_NETWORK + block]
        ran = subprocess.run(
            command, cwd=tmp_path, env=paths, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        for name in release.PAINTED.findall(block):
            assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_the_network_is_really_refused(tmp_path: Path) -> None:
    fetch = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')"
    command = [sys.executable, "-c", f"{release.NO_NETWORK}{fetch}"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "must not need a network" in ran.stderr
