r"""What the doctor hands over: findings, counts and a class histogram, readable when printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from ecgan.config import Config
from ecgan.data.doctor.memory import Memory, estimate
from ecgan.fast.precision import slow_precision

SHOWN_FILES = 5
SHOWN_CLASSES = 24
BAR = 30  # characters of the most frequent class
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Finding:
    r"""One kind of trouble: what it is, what to do, and the files where it was met.

    ``files`` are paths relative to the folder, the first of them with its own ``details``.
    """

    level: Literal["error", "warning"]
    kind: str
    message: str
    files: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        count = f" ({len(self.files)} file{'s' * (len(self.files) > 1)})" if self.files else ""
        lines = [f"{self.level}: {self.kind}{count}: {self.message}"]
        shown = self.details or self.files
        lines += [f"    {text}" for text in shown[:SHOWN_FILES]]
        if len(shown) > SHOWN_FILES:
            lines.append(f"    and {len(shown) - SHOWN_FILES} more")
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Histogram:
    r"""Pixels and files by class id; 255 is don't care. Shares are of all counted pixels."""

    pixels: Mapping[int, int]
    files: Mapping[int, int]
    names: Mapping[int, str]
    classes: int

    def share(self, label: int) -> float:
        r"""The part of all pixels that has this label, 0 to 1."""
        total = sum(self.pixels.values())
        return self.pixels.get(label, 0) / total if total else 0.0

    @property
    def tiny(self) -> tuple[int, ...]:
        r"""Classes met, but with less than a tenth of the share they would have if all had one."""
        least = 1 / (10 * self.classes)
        return tuple(k for k in range(self.classes) if 0 < self.share(k) < least)

    @property
    def missing(self) -> tuple[int, ...]:
        r"""Classes of which not one pixel was met."""
        return tuple(k for k in range(self.classes) if not self.pixels.get(k))

    def _line(self, label: int, longest: float, width: int) -> str:
        bar = "#" * max(1, round(BAR * self.share(label) / longest))
        mark = " tiny" if label in self.tiny else ""
        name = self.names.get(label, "")
        percent = 100 * self.share(label)
        return f"    {label:3d} {name:{width}s} {percent:8.3f} {self.files[label]:7d}  {bar}{mark}"

    def __str__(self) -> str:
        met = sorted((k for k in self.pixels if self.pixels[k]), key=lambda k: -self.pixels[k])
        if not met:
            return "classes: none counted"
        width = max(5, *(len(self.names.get(k, "")) for k in met))
        longest = self.share(met[0])
        lines = [self._line(k, longest, width) for k in met]
        if len(lines) > SHOWN_CLASSES:
            half = SHOWN_CLASSES // 2
            between = f"    ... {len(lines) - 2 * half} between ..."
            lines = [*lines[:half], between, *lines[-half:]]
        head = f"    {'id':>3s} {'class':{width}s} % pixels   files"
        if self.missing:
            ids = ", ".join(str(k) for k in self.missing[:12])
            more = f" and {len(self.missing) - 12} more" if len(self.missing) > 12 else ""
            lines.append(f"    never met: {len(self.missing)} of {self.classes}: {ids}{more}")
        return "\n".join([head, *lines])


def _precision_lines() -> list[str]:
    r"""Whether bf16 would cost time where this runs; nothing where it would not."""
    said = slow_precision("bf16", "cuda" if torch.cuda.is_available() else "cpu")
    return [f"precision: {said}"] if said else []


@dataclass(frozen=True, kw_only=True)
class Report:
    r"""The doctor's report on one folder; ``print`` it.

    ``counts`` are files by kind and pairs, ``read`` the pairs whose pixels were read, ``sizes``
    images by (height, width), ``config`` what the folder was held against, ``classes`` how many
    classes training takes and why.
    """

    folder: str
    convention: str
    counts: Mapping[str, int]
    read: int
    findings: tuple[Finding, ...]
    histogram: Histogram | None = None
    sizes: Mapping[tuple[int, int], int] = field(default_factory=dict)
    config: Config | None = None
    classes: str = ""

    @property
    def memory(self) -> Memory | None:
        r"""What the config will take, estimated when first asked for."""
        return estimate(self.config) if self.config else None

    @property
    def ok(self) -> bool:
        r"""True where there is no error; warnings may remain."""
        return all(finding.level != "error" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        r"""0 where all is well, 1 where there is an error."""
        return 0 if self.ok else 1

    def of_kind(self, kind: str) -> Finding | None:
        r"""The finding of this kind, or None."""
        return next((finding for finding in self.findings if finding.kind == kind), None)

    def _size_line(self) -> str:
        (height, width), most = max(self.sizes.items(), key=lambda item: item[1])
        if len(self.sizes) == 1:
            return f"size: all {width} x {height} (width x height)"
        widths, heights = [w for _, w in self.sizes], [h for h, _ in self.sizes]
        return (
            f"sizes: {len(self.sizes)} different, {min(widths)} to {max(widths)} wide, "
            f"{min(heights)} to {max(heights)} high, most often {width} x {height} ({most})"
        )

    def _memory_lines(self) -> list[str]:
        memory = self.memory
        return [
            f"memory of {self.config.data.name} (estimate, 32-bit floats): "
            f"{memory.training / GIB:.2f} GiB to train with batch {memory.batch_size}, "
            f"{memory.inference / GIB:.2f} GiB to make one picture",
            f"    {memory.generator / 1e6:.1f} M parameters in the generator, "
            f"{memory.discriminator / 1e6:.1f} M in the discriminator; VGG-19, a segmenter and "
            f"the contrastive loss come on top",
            *_precision_lines(),
        ]

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        lines = [f"{self.folder}: {self.convention}", counted or "nothing counted"]
        pairs = self.counts.get("pairs", 0)
        if self.classes:
            lines.append(f"held against {self.classes}")
        if self.read < pairs:
            lines.append(f"pixels read: {self.read} of {pairs} pairs, a sample")
        if self.sizes:
            lines.append(self._size_line())
        if self.histogram is not None:
            lines.append(str(self.histogram))
        if self.config is not None:
            lines += self._memory_lines()
        elif pairs:
            lines.append("memory: not estimated; name a preset, such as --config toy")
        lines += [str(finding) for finding in self.findings]
        return "\n".join([*lines, self._verdict()])

    def _verdict(self) -> str:
        levels = [finding.level for finding in self.findings]
        met = [
            f"{levels.count(level)} kind{'s' * (levels.count(level) > 1)} of {level}"
            for level in ("error", "warning")
            if level in levels
        ]
        verdict = "ready for training" if self.ok else "not ready for training"
        return f"{verdict}: {', '.join(met) or 'nothing wrong was found'}"
