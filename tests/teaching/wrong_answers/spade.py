r"""Typical wrong answers of the chapter on SPADE, and a piece of the hint each must get."""

import torch
import torch.nn.functional as F
from einops import rearrange


def _only_mean(p, a, b):
    return (1 - p) * (a - b), -p * (a - b)


def _by_variance(p, a, b):
    variance = p * (1 - p) * (a - b) ** 2
    return (1 - p) * (a - b) / variance, -p * (a - b) / variance


def _no_sign(p, a, b):
    return ((1 - p) / p) ** 0.5, -((p / (1 - p)) ** 0.5)


def _spade(c, s, h):
    return (9 * s + 1) * h + (9 * h + 1) * 2 * c


def _no_shortcut(i, o, s, h):
    m = min(i, o)
    return _spade(i, s, h) + _spade(m, s, h) + 9 * i * m + m + 9 * m * o + o


def _no_biases(i, o, s, h):
    return _no_shortcut(i, o, s, h) - min(i, o) - o


def _once(spade, windows, *, masked=True, swapped=False, relu=True):
    classes = spade.shared.in_channels
    maps = rearrange(F.one_hot(windows, classes + 1), "n h w k -> n k h w")[:, :-1].float()
    hidden = F.conv2d(maps, spade.shared.weight, spade.shared.bias)
    hidden = F.relu(hidden) if relu else hidden
    if masked:
        hidden = hidden * rearrange(windows[:, 1:-1, 1:-1] < classes, "n h w -> n 1 h w")
    both = F.conv2d(hidden, spade.modulation.weight, spade.modulation.bias)
    both = rearrange(both, "n c 1 1 -> n c")
    return torch.cat(both.chunk(2, dim=1)[::-1], dim=1) if swapped else both


def _forgot_border(spade, windows):
    return _once(spade, windows, masked=False)


def _swapped(spade, windows):
    return _once(spade, windows, swapped=True)


def _forgot_relu(spade, windows):
    return _once(spade, windows, relu=False)


WRONG = {
    "spade.washout": [
        (_only_mean, "now divide by the standard deviation"),
        (_by_variance, "divided by the variance"),
        (_no_sign, "a is the smaller one"),
        (lambda p, a, b: 0.0, "Return two numbers"),
    ],
    "spade.parameters": [
        (_no_shortcut, "a learned shortcut has a SPADE"),
        (_no_biases, "convolutions with biases"),
    ],
    "spade.once": [
        (_forgot_border, "a hidden value outside the picture must be zero"),
        (_swapped, "beta and gamma"),
        (_forgot_relu, "One-hot, convolve, ReLU, convolve"),
    ],
}
