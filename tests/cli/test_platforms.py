r"""Other systems as far as Linux can imitate them: starts of processes, code pages, paths."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ecgan
from ecgan.cli.main import main
from ecgan.weights.checkpoint import load, read_state
from support.chapters import ROOT
from support.fuzz_place import state
from support.scenes_on_disk import write

SMALL = "--cpu --batch-size 2 --model.height 32 --model.width 32 --model.base-channels 2 "
SMALL += "--model.spade-hidden 4 --model.max-channels 8 --steps 2 --ema 0 --sample-every 0"
QUIET = "--losses.similarity 0 --losses.cross-entropy 0 --losses.perceptual 0"
STARTED_SO = """
import multiprocessing, sys
from ecgan.cli.main import main
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
"""
# A name as long as a file system allows in practice, with all that a shell trips over.
LONG = "my 'books' & photographs, Übung 海 " + "n" * 150
UTF8 = ROOT / "tests/data/faults/names_utf8/train"


def train(data: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--data", str(data), "--out", str(out), *f"{SMALL} {QUIET}".split(), *more]


def run(words: list, **environment: str) -> subprocess.CompletedProcess:
    where = {**os.environ, "ECGAN_QUIET": "1", **environment}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env=where, capture_output=True, cwd=ROOT, check=False)


def four_classes(folder: Path) -> Path:
    write(folder, "folder", list(range(4)), keys=tuple("abcd"), size=(32, 32))
    (folder / "classes.json").write_text('["a", "b", "c", "d"]')
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_started_anew_change_nothing(method, tmp_path) -> None:
    data = four_classes(tmp_path / "data")
    (tmp_path / "started.py").write_text(STARTED_SO)
    words = train(data, tmp_path / "workers", "--workers", "2")
    done = run([tmp_path / "started.py", method, *words], PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr.decode()
    assert main(train(data, tmp_path / "alone")) == 0
    one, other = (
        read_state(tmp_path / name / "generator.safetensors") for name in ("workers", "alone")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("page", ["ascii", "cp1252", "cp932"])
def test_another_code_page_loses_no_class(page) -> None:
    done = run(["-m", "ecgan", "doctor", UTF8], PYTHONIOENCODING=page, PYTHONUTF8="0", LC_ALL="C")
    said = done.stdout.decode(page)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"held against 4 classes, as {UTF8}" in said.replace("\\", "")


def test_a_path_of_two_hundred_letters_with_spaces(tmp_path, capsys) -> None:
    place = tmp_path / LONG
    data, out = four_classes(place / "data"), place / "run"
    assert main(["doctor", str(data)]) == 0
    assert main(train(data, out)) == 0
    assert main(train(data, out)) == 0
    paint = ["synthesize", str(data / "labels"), "--out", str(place / "p"), "--model", str(out)]
    assert main(paint) == 0
    assert main(["doctor", str(data), "--fix", str(place / "mended copy")]) == 0
    assert "already finished 2 steps" in capsys.readouterr().out
    assert len(list((place / "p").glob("*_final.png"))) == 4


def test_a_home_that_cannot_be_written_and_no_network(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "home").write_text("a file, so that nobody, not even root, writes below it")
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))

    def refuse(*_, **__):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    package = Path(ecgan.__file__).parent
    before = {path: about for path, about in state(package).items() if path.suffix != ".pyc"}
    data = four_classes(tmp_path / "data")
    assert main(["doctor", str(data)]) == 0
    assert main(train(data, tmp_path / "run")) == 0
    assert main(["evaluate", "--images", "2", "--protocols", "miou-native", "--cpu"]) == 0
    capsys.readouterr()
    vgg = ["--losses.perceptual", "1", "--losses.perceptual-features", "vgg19"]
    assert main([*train(data, tmp_path / "other"), *vgg]) == 2
    assert "cache folder" in capsys.readouterr().err
    assert main(["fetch", "facades", str(tmp_path / "facades")]) == 2
    assert "or bring the file by hand" in capsys.readouterr().err
    after = {path: about for path, about in state(package).items() if path.suffix != ".pyc"}
    assert after == before


def test_ctrl_c_keeps_the_segmenter_as_it_is(tmp_path) -> None:
    data, out = four_classes(tmp_path / "data"), tmp_path / "reader.safetensors"
    command = [sys.executable, "-m", "ecgan", "segmenter", str(out), "--data", str(data)]
    command += "--steps 1000000 --width 2 --batch-size 2 --cpu".split()
    command += "--model.height 32 --model.width 32".split()
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "ECGAN_QUIET": "0"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        told = b""
        while b"it/s" not in told:  # the bar moves: it is in the middle of its steps
            piece = os.read(running.stderr.fileno(), 1000)
            assert piece, told
            told += piece
        running.send_signal(signal.SIGINT)
        printed, rest = running.communicate(timeout=300)
    finally:
        running.kill()
    assert running.returncode == 0, rest
    assert b"stopping after this step; the segmenter is kept as it is" in rest
    assert printed.endswith(f"wrote {out}\n".encode())
    assert load(out).config["classes"] == 4
