r"""Which processors compute in 16 bits, and what is said of those that do not."""

import pytest
import torch

from ecgan.fast import precision
from ecgan.fast.precision import has_arithmetic, slow_precision

X86 = "processor\t: 0\nmodel name\t: any\nflags\t\t: fpu sse avx2 {}\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.mark.parametrize(("text", "formats"), [
    (X86.format("avx512f"), set()),
    (X86.format("avx512_bf16"), {"bf16"}),
    (X86.format("amx_bf16 amx_fp16 avx512_fp16"), {"bf16", "fp16"}),
    (ARM.format("fphp asimdhp"), {"fp16"}),
    (ARM.format("bf16"), {"bf16"}),
])  # fmt: skip
def test_the_processor_says_what_it_can(tmp_path, monkeypatch, text: str, formats: set) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    monkeypatch.setattr(precision, "CPUINFO", file)
    assert {name for name in ("bf16", "fp16") if has_arithmetic(name)} == formats
    for name in ("bf16", "fp16"):
        said = slow_precision(name, "cpu")
        assert (said is None) == (name in formats)
        assert said is None or f"no {name} arithmetic" in said
        assert said is None or "--precision fp32" in said


@pytest.mark.parametrize("knows", [True, False])
def test_where_the_system_does_not_tell_torch_is_asked(tmp_path, monkeypatch, knows: bool) -> None:
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: knows, raising=False)
    assert has_arithmetic("bf16") == knows
    assert not has_arithmetic("fp16")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert has_arithmetic("fp16")


def test_nothing_is_said_where_nothing_is_lost(tmp_path, monkeypatch) -> None:
    (tmp_path / "cpuinfo").write_text(X86.format(""))
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    assert slow_precision("fp32", "cpu") is None
    assert slow_precision("tf32", "cpu") is None
    assert slow_precision("fp16", "cuda") is None
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda emulated: asked.append(emulated))
    assert "take --precision fp16" in slow_precision("bf16", "cuda")
    assert asked == [False]
