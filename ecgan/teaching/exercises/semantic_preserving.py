r"""Checkers of the chapter on the semantic preserving module."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecgan.method.layers import LEAK
from ecgan.method.semantic_preserving import SemanticPreservingModule
from ecgan.teaching.exercises import exercise, expect_close

BINS = 10


@exercise("semantic_preserving.silent")
def silent(gate, factor):
    hint = "The gate is the sigmoid of the average, and the sigmoid of 0 is not 0."
    expect_close(gate, 0.5, hint, what="the gate")
    hint = "The map is multiplied by the gate and then added once more: 1 + g."
    expect_close(factor, 1.5, hint, what="the factor")
    return "half open without any news: the gate has to be told to stay out of the way."


@exercise("semantic_preserving.overlap")
def overlap(answer):
    generator = torch.Generator().manual_seed(0)
    gates = 0.2 + 0.5 * torch.rand(60, generator=generator)
    present = torch.arange(60) < 45
    gates[present] += 0.15
    shares = [
        torch.histc(chosen, bins=BINS, min=0, max=1) / len(chosen)
        for chosen in (gates[present], gates[~present])
    ]
    met = answer(gates, present, BINS)
    hint = _overlap_hint(met, gates, present, shares)
    expect_close(met, torch.minimum(*shares).sum(), hint, what="the overlap")
    twice = torch.cat([gates, gates])
    same = torch.arange(120) < 60
    expect_close(answer(twice, same, BINS), 1.0, "Two equal histograms overlap entirely.")
    return "1 where a gate says nothing about a class, 0 where it tells it perfectly."


def _overlap_hint(met, gates, present, shares):
    counts = [torch.histc(chosen, BINS, 0, 1) for chosen in (gates[present], gates[~present])]
    own_range = [torch.histc(c, BINS) / len(c) for c in (gates[present], gates[~present])]
    for wrong, hint in (
        (torch.minimum(*counts).sum(), "These are counts: divide each histogram by its own sum."),
        (torch.minimum(*counts).sum() / len(gates), "Divide each by its own number of layouts."),
        (torch.minimum(*own_range).sum(), "Both need the same bins, from 0 to 1: min=0, max=1."),
        (torch.maximum(*shares).sum(), "Take the smaller share of each bin, not the larger."),
    ):
        if _is_scalar(met) and math.isclose(float(met), float(wrong), rel_tol=1e-4):
            return hint
    return "Two histograms of shares over [0, 1]; then the smaller of the two in each bin, summed."


def _is_scalar(met):
    return isinstance(met, int | float) or (isinstance(met, Tensor) and met.numel() == 1)


@exercise("semantic_preserving.ungated")
def ungated(answer):
    generator = torch.Generator().manual_seed(0)
    module = SemanticPreservingModule(channels=12, classes=4)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2, generator=generator)
    stack = torch.randn(2, 12, 8, 8, generator=generator)
    with torch.no_grad():
        met, expected = answer(module, stack), _constant(module, stack, 1.5)
        hint = "Class maps, times the constant, then LeakyReLU and the two last convolutions, tanh."
        for picture, why in (
            (module(stack)[0], "The gates are still in it: the maps' averages must not matter."),
            (_constant(module, stack, 1.0), "A gate of one half gives 1 + 1/2, not 1."),
            (_constant(module, stack, 0.5), "The module adds the map itself: 1/2 + 1."),
        ):
            if isinstance(met, Tensor) and met.shape == picture.shape:
                hint = why if torch.allclose(met, picture, atol=1e-5) else hint
    expect_close(met, expected, hint, what="the image without gates")
    return "three convolutions and a constant: whatever scores the same did not need gates."


def _constant(module, stack, factor):
    x = F.leaky_relu(factor * module.to_classes(F.leaky_relu(stack, LEAK)), LEAK)
    return torch.tanh(module.to_image(F.leaky_relu(module.from_classes(x), LEAK)))


@exercise("semantic_preserving.loudness")
def loudness(answer):
    for share, gate in ((0.5, 0.9), (30 / 64**2, 0.9), (0.1, 0.6)):
        odds = math.log(gate / (1 - gate))
        met = answer(share, gate)
        hint = "Solve sigmoid(share * a) = gate for a; the sigmoid's inverse is log(g / (1 - g))."
        if _is_scalar(met) and math.isclose(float(met), odds, rel_tol=1e-4):
            hint = "That is the average that the gate needs; the lamp alone must lift it."
        elif _is_scalar(met) and math.isclose(float(met), odds * share, rel_tol=1e-4):
            hint = "A smaller lamp must be louder: divide by the share."
        elif _is_scalar(met) and math.isclose(float(met), math.log(gate) / share, rel_tol=1e-4):
            hint = "log(g) is not the sigmoid's inverse: that is log(g / (1 - g))."
        what = f"your value for share {share:.4f} and gate {gate}"
        expect_close(met, odds / share, hint, what=what)
    return "a lamp would have to shout by hundreds; a global average does not hear small things."
