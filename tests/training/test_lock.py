r"""One run a folder: the second is refused by name, a dead one holds nobody up."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ecgan.training import Machine, RunError, fit
from ecgan.training.lock import LOCK, alone_in
from support import tiny_run

HOLD = """
import sys, time
from pathlib import Path
from ecgan.training.lock import alone_in
from ecgan.training import Machine
with alone_in(Path(sys.argv[1]), Machine()):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path):
    r"""Another process that holds the folder."""
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, env=where, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_run_is_refused_and_told_who_is_there(holder, tmp_path: Path) -> None:
    who = rf"process {holder.pid} on {socket.gethostname()} trains there since 2\d\d\d-"
    with pytest.raises(RunError, match=rf"is in use: {who}.*--out"):
        fit(tiny_run.config(), tmp_path, segmenter=tiny_run.segmenter())
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_dead_run_does_not_block(holder, tmp_path: Path) -> None:
    os.kill(holder.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    holder.wait()
    assert json.loads((tmp_path / LOCK).read_text())["process"] == holder.pid
    with alone_in(tmp_path, Machine()):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()


def test_a_child_that_outlives_its_run_does_not_block(tmp_path: Path) -> None:
    r"""A loader's workers end some seconds after a killed run."""
    if not hasattr(os, "fork"):
        pytest.skip("children share nothing here")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with alone_in(tmp_path, Machine()):
            grandchild = os.fork()
            if grandchild == 0:
                signal.pause()
            os.write(writing, str(grandchild).encode())
            os._exit(0)
    os.waitpid(child, 0)
    grandchild = int(os.read(reading, 20))
    try:
        with alone_in(tmp_path, Machine()):
            pass
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_the_same_process_is_refused_as_well(tmp_path: Path) -> None:
    with alone_in(tmp_path, Machine()):
        for _ in range(2):  # it has not let go by refusing
            with pytest.raises(RunError, match=f"this very process, {os.getpid()}"):
                alone_in(tmp_path, Machine()).__enter__()
    with alone_in(tmp_path, Machine()):
        pass


def test_all_processes_of_a_run_are_refused_together(tmp_path: Path) -> None:
    helper = Machine()
    helper.rank, helper.processes = 1, 2
    with alone_in(tmp_path, helper):  # it takes no lock: the main process has it
        assert list(tmp_path.iterdir()) == []
    helper.gather = lambda thing: ["the folder is in use", thing]
    with pytest.raises(RunError, match="the folder is in use"):
        alone_in(tmp_path, helper).__enter__()
