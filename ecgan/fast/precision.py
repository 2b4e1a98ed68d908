r"""Where arithmetic in 16 bits pays, and where it is slower than in 32 (chapter 09)."""

import platform
from pathlib import Path

import torch

from ecgan.config import Precision

CPUINFO = Path("/proc/cpuinfo")
# What Linux calls a processor's arithmetic: x86 (AVX-512, AVX 10, AMX), then Arm.
WORDS = {
    "bf16": {"avx512_bf16", "avx10_2", "amx_bf16", "bf16"},
    "fp16": {"avx512_fp16", "avx10_2", "amx_fp16", "fphp"},
}


def processor_words() -> set[str]:
    r"""What the processor says that it can do; empty where the system does not tell."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    named = (line.partition(":") for line in lines)
    return {
        word
        for name, _, words in named
        if name.strip() in ("flags", "Features")
        for word in words.split()
    }


def has_arithmetic(precision: Precision) -> bool:
    r"""Whether this processor computes in "bf16" or "fp16" itself, rather than by conversion.

    Where the system does not tell, torch is asked; where torch cannot tell either, an Arm processor
    is believed to and any other is not.
    """
    words = processor_words()
    if words:
        return bool(words & WORDS[precision])
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        if precision == "bf16" and getattr(torch.cpu, name, bool)():
            return True
    return platform.machine().lower() in ("arm64", "aarch64")


def slow_precision(precision: Precision, device: torch.device | str) -> str | None:
    r"""What to tell a user whose precision costs time on this device; None where it does not."""
    kind = torch.device(device).type
    if kind == "cpu" and precision in WORDS and not has_arithmetic(precision):
        return (
            f"this processor has no {precision} arithmetic: on it {precision} saves memory, but is "
            f"slower than fp32, often many times; take --precision fp32 here"
        )
    if kind == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported(False):
        return (
            "this GPU has no bf16 arithmetic: on it bf16 is slower than fp16; take --precision fp16"
        )
    return None
