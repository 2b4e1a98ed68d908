r"""Chromium is found, or installed if asked, or its absence is said aloud; a failure in CI."""

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="tests in a browser need playwright: pip install .[test]")

from book.tools import chromium
from support import browser

ABSENT = "NO CHROMIUM ON THIS MACHINE"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch) -> Path:
    r"""A folder that is the whole PATH; no root, not in CI, nothing asked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for asked in ("CI", "ECGAN_INSTALL"):
        monkeypatch.delenv(asked, raising=False)
    monkeypatch.setattr(browser.os, "geteuid", lambda: 1000, raising=False)
    return tmp_path


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", chromium.NAMES)
def test_it_is_found_by_any_of_its_names(machine: Path, name: str) -> None:
    there = program(machine, name)
    assert browser.installed() == str(there)


@pytest.mark.parametrize("root", [True, False], ids=["root", "not root"])
@pytest.mark.parametrize("asked", [{}, {"ECGAN_INSTALL": "0"}, {"ECGAN_INSTALL": "1"}, {"CI": "1"}])
def test_root_installs_it_with_apt_if_asked(
    machine: Path, monkeypatch, root: bool, asked: dict[str, str]
) -> None:
    ran = []

    def run(command: list[str], **_: object) -> None:
        ran.append(command)
        if "install" in command:
            program(machine, "chromium")

    program(machine, "apt-get")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(browser.os, "geteuid", lambda: 0 if root else 1000, raising=False)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    if root and asked in ({"ECGAN_INSTALL": "1"}, {"CI": "1"}):
        assert browser.installed() == str(machine / "chromium")
        assert [command[2] for command in ran] == ["update", "install"]
    else:
        told = pytest.fail.Exception if "CI" in asked else pytest.skip.Exception
        with pytest.raises(told, match=ABSENT):
            browser.installed()
        assert ran == []


def test_in_ci_it_must_be_there(machine: Path, monkeypatch, root: Path) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=ABSENT):
        browser.installed()
    assert "export CI=true" in (root / ".ci" / "run").read_text()
