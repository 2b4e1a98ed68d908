r"""A short run of `make fuzz` and of `make kill`; each in a process of its own, which may fork."""

import os
import subprocess
import sys

import pytest

from support import fuzz
from support.fuzz import Complaint, watched

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
WORKS = ["training", "segmenter", "export", "synthesis", "fetch"]


def ran(*words: str) -> str:
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ECGAN_QUIET": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words], env=where, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_damaged_files_and_mistyped_commands_end_in_a_sentence() -> None:
    said = ran("support.fuzz", "200", "40")
    assert said.count("; 0 complaints") == 2
    assert said.startswith("files: 200 tried: ")
    assert "commands: 40 tried: " in said
    assert "refused" in said


def test_what_was_killed_ends_as_if_nothing_had_happened() -> None:
    lines = ran("support.kills", str(len(WORKS))).splitlines()
    assert [line.split(":")[0] for line in lines] == WORKS
    assert all(": 1 kills, " in line for line in lines)


# The watch sees what it looks for.


def traceback(_: int) -> str:
    return str(1 // 0)


def silence(_: int) -> str:
    raise Complaint("refused without a word")


def computing(_: int) -> str:
    while True:
        pass


def large(_: int) -> str:
    return str(len(bytearray(1 << 26)))


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (traceback, "traceback ZeroDivisionError"),
        (silence, "refused without a word"),
        (computing, "died: SIGPROF"),
        (large, "more than"),
    ],
)
def test_the_watch_sees_what_it_looks_for(attempt, says, monkeypatch) -> None:
    monkeypatch.setattr(fuzz, "PATIENCE", 0.3)
    monkeypatch.setattr(fuzz, "MOST", 1 << 20 if attempt is large else fuzz.MOST)
    outcome = watched(2, attempt)
    assert outcome.counts == {"wrong": 2}
    assert [says in line for line in outcome.complaints] == [True, True]


def test_a_case_that_dies_does_not_take_the_others_with_it() -> None:
    outcome = watched(4, lambda number: os.kill(os.getpid(), 9) if number == 1 else "read")
    assert outcome.counts == {"read": 3, "wrong": 1}
    assert outcome.complaints == ["case 1: died: SIGKILL"]
