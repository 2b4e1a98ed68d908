r"""The ten files of `ecgan/method` are the paper's equations, and nothing else stands in them.

What makes a network quick, or fits it to a machine, belongs into `ecgan/fast`. The rule reads the
whole text, docstrings and comments included: who has to explain speed there has put it there.
"""

import re
from pathlib import Path

import pytest

from support.chapters import ROOT

NAMES = "layouts edges layers batch spade encoder edge_transfer semantic_preserving generator"
FILES = [ROOT / "ecgan" / "method" / f"{name}.py" for name in f"{NAMES} discriminator".split()]
MOST_LINES = 900  # together, docstrings included
# What each would be about: regular expressions, words where they begin and end with a letter.
FORBIDDEN = {
    "a device": [
        r"\w*cuda\w*",
        "mps",
        "xpu",
        "cpu",
        "gpu",
        "processors?",
        r"device\.type",
        "is_cpu",
    ],
    "precision": [r"\w*autocast\w*", "bfloat16", "float16", r"\.half\(", "bf16", "fp16", "tf32"],
    "tracing": ["is_tracing", "is_compiling", "is_scripting", "compiler?", "compiled?", "jit"],
    "an export": ["onnx", "export(?:s|ed)?", "trac(?:ed|ing)"],
    "memory": ["channels_last", r"contiguous\w*", "memory_format", r"\.stride\(", "data_ptr"],
    "writing in place": ["inplace", r"(?<!init)\.(?!_|requires_grad_)\w+(?<!_)_\(", r"\bout="],
    "recomputation": [r"checkpoint\w*", r"recomput\w+", r"cache\w*", r"memo(?:ry|ise\w*)"],
    "gradients switched off": ["no_grad", "inference_mode", r"is_grad_enabled", "set_grad_enabled"],
    "speed": [
        r"fast\w*",
        r"quick\w*",
        "slow(?:er|ly)?",
        "speed",
        r"accelerat\w+",
        "fused?",
        "chunks",
    ],
    "two ways": [r"\w*_(?:fast|slow|dense|naive)", "naive", "self.training", "synchroni[sz]e"],
}


def words(text: str) -> list[str]:
    r"""Where a text speaks of what does not belong to an equation, each with its line."""
    found = []
    for what, patterns in FORBIDDEN.items():
        for pattern in patterns:
            ends = "" if pattern.startswith((r"\.", "(?<")) else r"\b"
            for hit in re.finditer(ends + pattern + (r"\b" if pattern[-1].isalpha() else ""), text):
                line = text.count("\n", 0, hit.start()) + 1
                found.append(f"line {line}: {hit.group()!r} is about {what}")
    return found


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in FILES])
def test_an_equation_speaks_of_nothing_but_itself(path: Path) -> None:
    assert path.is_file(), f"{path.relative_to(ROOT)}: a part of the paper has no file"
    assert words(path.read_text()) == [], f"{path.relative_to(ROOT)}: this belongs into ecgan/fast"


@pytest.mark.parametrize(
    "line",
    [
        "if x.is_cuda:",
        "if x.device.type == 'mps':",
        "with torch.no_grad():",
        "torch.utils.checkpoint.checkpoint(f, x)",
        "x = x.contiguous(memory_format=torch.channels_last)",
        "x.mul_(2)",
        "F.leaky_relu(x, 0.2, inplace=True)",
        "torch.add(x, y, out=x)",
        "if torch.jit.is_tracing():",
        "if torch.compiler.is_compiling():",
        "# faster on a CPU",
        "from ecgan.fast import accelerate",
        "@cache",
        "self.cached = {}",
        "def forward_naive(self, x):",
        "if torch.is_grad_enabled():",
        "with torch.autocast('cpu'):",
    ],
)
def test_the_rule_of_the_equations_finds_what_it_forbids(line: str) -> None:
    assert words(line)


@pytest.mark.parametrize(
    "line",
    [
        "nn.init.zeros_(conv.bias)",
        "nn.init.xavier_normal_(conv.weight, gain=0.02)",
        "gamma, beta = modulation.chunk(2, dim=1)",
        "conv = nn.Conv2d(3, 8, 4, stride=2)",
        "super().__init__()",
        "network.requires_grad_(False)",
        "ids = torch.arange(classes, device=labels.device)",
        "def f(self, _a, b_): return b_",
        "embeddings = broadcast(x)  # followed by power iteration in training",
        "x = self.normalise(x) * (1 + gamma) + beta",
    ],
)
def test_the_rule_of_the_equations_lets_equations_pass(line: str) -> None:
    assert words(line) == []


def test_the_equations_are_short() -> None:
    r"""So that a student reads them in an evening."""
    lines = {path.stem: len(path.read_text().splitlines()) for path in FILES if path.is_file()}
    assert len(lines) == len(FILES), "a part of the paper has no file"
    assert sum(lines.values()) <= MOST_LINES, lines
