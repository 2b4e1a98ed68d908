r"""`make fuzz`: damaged files and mistyped commands, each tried in a process that is watched.

Run as a program, with numbers of files and commands; the short run is a test. What is looked for:
a traceback, more than 20 seconds of computing, more than 4 GiB, a file changed that nobody named.
"""

import io
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgan.cli.main import main as ecgan
from ecgan.config import ModelConfig
from ecgan.data.doctor.examination import examine_scene
from ecgan.data.folders.conventions import CONVENTIONS, FolderError
from ecgan.data.folders.labels import read_labels
from ecgan.data.folders.photographs import picture_size, read_picture
from ecgan.data.folders.scenes import Scene
from support import fuzz_place, mutations

PATIENCE = 20  # seconds of computing for one file or command
SILENCE = 1800  # seconds by the clock, for one that waits and does not compute
MOST = 4 * 2**30  # bytes
ROOM = MOST + 2 * 2**30  # of addresses beyond what is there, to spare the machine
FILES, COMMANDS = 10_000, 2_000


class Outcome(NamedTuple):
    r"""How many of what ended how, and what should not have been."""

    counts: Counter
    complaints: list[str]

    def __str__(self) -> str:
        total = sum(self.counts.values())
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        return "\n".join([f"{total} tried: {ends}; {len(self.complaints)} complaints",
                          *self.complaints])  # fmt: skip


class Complaint(Exception):
    r"""What a case did that it must not do."""


def watched(count: int, attempt: Callable[[int], str], *, start: int = 0) -> Outcome:
    r"""Try cases ``start`` to ``start + count - 1`` in a forked process; a new one where it dies.

    ``attempt`` takes a case's number and returns how it ended, or raises what should not be.
    """
    outcome, number = Outcome(Counter(), []), start
    while number < start + count:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _work(range(number, start + count), attempt, writing)
        os.close(writing)
        number = _listen(reading, child, number, outcome)
    return outcome


def _work(numbers: range, attempt: Callable[[int], str], writing: int) -> None:
    r"""In the child: a line for each case, how it ended. It dies with the first that costs much."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    # The default end, so that no library can be stuck too deep to hear it.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for number in numbers:
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)
        try:
            ended = attempt(number)
        except Complaint as error:
            ended = f"! {error}"
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno}"
            ended = f"! traceback {type(error).__name__}: {error} ({place})"
        signal.setitimer(signal.ITIMER_PROF, 0)
        large = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MOST
        ended = "! more than 4 GiB" if large else ended
        os.write(writing, (" ".join(ended.split())[:900] + "\n").encode(errors="replace"))
        if large:
            break
    os._exit(0)


def _listen(reading: int, child: int, number: int, outcome: Outcome) -> int:
    r"""Take a child's lines; the number of the case to begin with next."""
    rest = b""
    while True:
        ready, _, _ = select.select([reading], [], [], SILENCE)
        piece = os.read(reading, 1 << 16) if ready else b""
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            said = line.decode()
            if said.startswith("! "):
                outcome.complaints.append(f"case {number}: {said[2:]}")
                said = "wrong"
            outcome.counts[said] += 1
            number += 1
        if not piece:
            break
    os.close(reading)
    if not ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        why = "waits" if not ready else f"died: {signal.Signals(os.WTERMSIG(status)).name}"
        outcome.complaints.append(f"case {number}: {why}")
        outcome.counts["wrong"] += 1
        number += 1
    return number


def _said(path: Path, read: Callable) -> str | tuple[int, ...]:
    r"""What a reader says of a file it refuses, or the size (h, w) of what it reads.

    Anything else is raised.
    """
    try:
        made = read(path)
        return made if isinstance(made, tuple) else tuple(made.shape[-2:])
    except FolderError as error:
        said = str(error)
        if str(path) not in said or "\n" in said or "MemoryError" in said:
            raise Complaint(f"a sentence that does not help: {said}") from error
        return said


def file_attempt(seed: int, folder: Path) -> Callable[[int], str]:
    r"""One damaged file for every reader: a sentence, or pixels, and the doctor knows which."""
    model = ModelConfig(classes=4, height=32, width=32, base_channels=2, spade_hidden=4)
    warnings.filterwarnings("ignore", module="PIL")

    def attempt(number: int) -> str:
        dice = np.random.default_rng((seed, number))
        ending, content = mutations.damaged(dice)
        path = folder / f"{number}.{ending}"
        path.write_bytes(content)
        numbering = list(CONVENTIONS.values())[dice.integers(len(CONVENTIONS))]
        photo, grey = _said(path, read_picture), _said(path, lambda one: read_picture(one, "L"))
        label = _said(path, lambda one: read_labels(one, numbering=numbering, model=model))
        _said(path, picture_size)
        limits = {"classes": model.classes, "dont_care": model.dont_care}
        scene = Scene("scene", path, path, None, None)
        facts = examine_scene(scene, lambda value: numbering.allows(value, **limits))
        unread = [one for one in facts.trouble if one.kind in ("unreadable files", "colour labels")]
        refused = [isinstance(one, str) for one in (photo, grey, label)]
        if refused[0] != refused[1] or refused[0] != (facts.size is None):
            raise Complaint(f"training: {photo}; in grey: {grey}; doctor: {facts.size}, {unread}")
        if not refused[0] and facts.size != photo:
            raise Complaint(f"the doctor tells {facts.size}, training reads {photo}")
        if refused[2] != bool(facts.first or len(unread) > refused[0]):
            raise Complaint(f"label: training says {label}, the doctor {facts.trouble}")
        if path.read_bytes() != content:
            raise Complaint("the file itself was changed")
        path.unlink()
        ends = {(False, False): "read as both", (False, True): "a photograph only"}
        ends |= {(True, False): "a label map only", (True, True): "refused as both"}
        return ends[refused[0], refused[2]]

    return attempt


def _no_network(*_, **__):
    raise OSError(101, "Network is unreachable")


def _changed(before: dict, after: dict, words: list[str], work: Path) -> list[str]:
    r"""Files that were changed or made though no word names them, nor a folder for them."""
    named = [(work / word.split("=", 1)[-1]) for word in words if word and "\0" not in word]
    outs = [work / after for word, after in zip(words, words[1:]) if word in ("-o", "--out")]
    outs += [place for place in named if str(place).startswith(str(work / "made"))]
    odd = []
    for path, state in after.items():
        if before.get(path) == state or path in named:
            continue
        inside = any(path.is_relative_to(place) for place in named)
        # By default runs go to runs/, and the package's own models, in this place, to made/.
        usual = any(path.is_relative_to(work / name) for name in ("runs", "made"))
        own = usual or any(map(path.is_relative_to, outs))
        if not own and (path in before or not inside):
            odd.append(path.name)
    return odd + [path.name for path in before if path not in after]


def command_attempt(seed: int, folder: Path) -> Callable[[int], str]:
    r"""One mistyped command: a sentence and a code, or it does what it says; no more."""
    whole, work = fuzz_place.prepare(folder / "whole"), folder / "deep" / "work"
    socket.socket.connect = _no_network
    fuzz_place.quicken()
    shutil.copytree(whole, work)
    state = fuzz_place.state(work)

    def attempt(number: int) -> str:
        nonlocal state
        dice = np.random.default_rng((seed, number))
        words = mutations.mistyped(*fuzz_place.command(work, dice), dice)
        os.chdir(work)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = ecgan(words)
            except SystemExit as stop:  # tyro: help, or a slip in the line
                code = stop.code
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                raise Complaint(
                    f"{words}: traceback {type(error).__name__}: {error} "
                    f"({Path(last.filename).name}:{last.lineno})"
                ) from error
        if code not in (0, 1, 2) or "Traceback" in err.getvalue():
            raise Complaint(f"{words}: code {code}, {err.getvalue()[-300:]}")
        if code == 2 and not (err.getvalue() + out.getvalue()).strip():
            raise Complaint(f"{words}: refused without a word")
        now = fuzz_place.state(work)
        if now != state:
            odd = _changed(state, now, words, work)
            os.chdir(folder)
            shutil.rmtree(work)
            shutil.copytree(whole, work)
            state = fuzz_place.state(work)
            if odd:
                raise Complaint(f"{words}: changed {odd}")
        return {0: "done", 1: "not ready", 2: "refused"}[code]

    return attempt


def fuzz_files(count: int, *, seed: int = 0) -> Outcome:
    r"""So many damaged files."""
    with tempfile.TemporaryDirectory() as folder:
        return watched(count, file_attempt(seed, Path(folder)))


def fuzz_commands(count: int, *, seed: int = 0) -> Outcome:
    r"""So many mistyped commands."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return watched(count, command_attempt(seed, place))


def main(files: int = FILES, commands: int = COMMANDS) -> int:
    wrong = 0
    for name, fuzz, count in (("files", fuzz_files, files), ("commands", fuzz_commands, commands)):
        began = time.monotonic()
        outcome = fuzz(count)
        print(f"{name}: {outcome}\n{time.monotonic() - began:.0f} seconds", flush=True)
        wrong += len(outcome.complaints)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
