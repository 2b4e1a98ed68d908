r"""A chapter shows the lines that run."""

import ast

import pytest
import torch

from ecgan.method.edge_transfer import AttentionGuidedEdgeTransfer
from ecgan.method.semantic_preserving import SemanticPreservingModule
from ecgan.method.spade import SPADE
from ecgan.teaching.source import lines

SHOWN = [
    SPADE.forward,
    SPADE.modulate,
    AttentionGuidedEdgeTransfer.forward,
    SemanticPreservingModule.forward,
]
WIDEST = 88  # letters of the widest line that fits a page of 1280 pixels


def test_the_docstring_goes_and_the_code_stays() -> None:
    text = lines(SPADE.forward)
    assert SPADE.forward.__doc__ not in text
    assert text.endswith("    return self.normalise(x) * (1 + gamma) + beta")
    assert text.startswith("def forward(\n")


@pytest.mark.parametrize("function", SHOWN)
def test_what_the_chapters_show_is_python_that_fits_the_page(function) -> None:
    ast.parse(lines(function))
    assert max(map(len, lines(function).splitlines())) <= WIDEST


def test_what_has_no_lines_is_named() -> None:
    with pytest.raises(ValueError, match="no lines in a Python file"):
        lines(torch.sigmoid)
