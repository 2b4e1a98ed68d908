r"""torch.compile: the same numbers, a known number of graphs, and a way on where it fails."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn

from ecgan.training import Trainer, toy_batches, train
from ecgan.training.compiled import Compiled, compile_networks, reason_of, ways
from support import compiled_steps, tiny_run

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


@pytest.fixture(scope="module")
def said() -> dict:
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ECGAN_QUIET": "1"}
    where.pop("ATEN_CPU_CAPABILITY", None)  # inductor obeys it, but then forgets to include ATen
    command = [sys.executable, compiled_steps.__file__, *(["inductor"] if COMPILER else [])]
    ran = subprocess.run(command, env=where, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert "failed" not in ran.stderr
    return json.loads(ran.stdout)


def test_a_compiled_step_gives_the_same_numbers(said: dict) -> None:
    for plain, compiled in zip(said["plain"], said["compiled"], strict=True):
        del plain["seconds"], compiled["seconds"]
        assert compiled == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_each_network_is_one_graph(said: dict, network: str) -> None:
    assert said["breaks"][network] == {"graphs": 1, "breaks": 0, "why": []}


@pytest.mark.skipif(COMPILER is None, reason="inductor needs a C++ compiler")
def test_the_cpu_s_own_compiler_takes_a_part(said: dict) -> None:
    assert said["inductor"] == [True]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("backend='inductor' raised:\n  CppCompileError: C++ error\nmore"),
         "backend='inductor' raised: CppCompileError: C++ error"),
        (RuntimeError("no space left\non the device"), "no space left"),
        (RuntimeError(), "RuntimeError"),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_one_line(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_cuda_graphs_are_for_cuda() -> None:
    assert ways(torch.device("cuda")) == ["reduce-overhead", "default"]
    assert ways(torch.device("cpu")) == ["default"]


class Doubling(nn.Module):
    r"""Something to compile."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim == 3:
            raise ValueError("three axes are too many")
        return 2 * x


def broken(*_):
    raise RuntimeError("no compiler is here\nand a long story")


def test_what_cannot_be_compiled_goes_on_with_a_message(monkeypatch) -> None:
    told, asked = [], []

    def compile(forward, *, mode, backend):
        asked.append(mode)
        return broken

    monkeypatch.setattr(torch, "compile", compile)
    quick = Compiled(Doubling(), modes=["reduce-overhead", "default"], tell=told.append)
    for _ in range(2):
        assert torch.equal(quick(torch.ones(2)), torch.full((2,), 2.0))
    assert asked == ["reduce-overhead", "default"]
    assert told[0] == (
        "note: compiling the Doubling (reduce-overhead) failed (no compiler is here); trying "
        "default"
    )
    assert "(default) failed (no compiler is here); the run goes on with slower steps" in told[1]
    assert len(told) == 2


def test_a_fault_of_the_network_is_not_hidden(monkeypatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)
    quick = Compiled(Doubling(), modes=["default"], tell=lambda _: None)
    with pytest.raises(ValueError, match="three axes"):
        quick(torch.ones(1, 1, 1))

    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch, "compile", lambda forward, **_: full)
    quick = Compiled(Doubling(), modes=["default"], tell=lambda _: None)
    with pytest.raises(torch.OutOfMemoryError):
        quick(torch.ones(1))


def test_a_run_whose_compiling_fails_trains_as_ever(monkeypatch, capsys) -> None:
    rows = {}
    monkeypatch.setattr(torch, "compile", lambda forward, **_: broken)
    for compiled in (False, True):
        trainer = Trainer(config=tiny_run.config(steps=1), segmenter=tiny_run.segmenter())
        names = list(trainer.generator.state_dict())
        if compiled:
            compile_networks(trainer)
        (row,) = train(trainer, toy_batches(trainer.config)).rows
        rows[compiled] = {name: value for name, value in row.items() if name != "seconds"}
        assert list(trainer.generator.state_dict()) == names
    assert rows[True] == rows[False]
    assert "compiling the Generator (default) failed" in capsys.readouterr().err
