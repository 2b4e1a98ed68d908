r"""Checkers of the chapter on SPADE."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from ecgan.config import ModelConfig
from ecgan.method.layouts import one_hot
from ecgan.method.spade import SPADE, SPADEResBlock
from ecgan.teaching.exercises import exercise, expect_close


@exercise("spade.washout")
def washout(answer):
    for f, a, b in ((0.25, 3.0, 1.0), (0.75, 3.0, 1.0), (0.2, 900.0, 1.0), (0.25, 1.0, 3.0)):
        # A row of 20 pixels with these values, through the real thing.
        row = torch.tensor([a] * round(20 * f) + [b] * (20 - round(20 * f)), dtype=torch.float64)
        normed = (row - row.mean()) / row.std(correction=0)
        hint = _washout_hint(answer(f, a, b), f, a, b)
        expect_close(
            answer(f, a, b), normed[[0, -1]], hint, what=f"your pair for f={f}, a={a:g}, b={b:g}"
        )
    return "only the share f and the order of a and b are left; how far apart they were is gone."


def _washout_hint(pair, f, a, b):
    advice = "The mean is f a + (1 - f) b and the variance f (1 - f) (a - b)^2; subtract, divide."
    try:
        value = float(pair[0])
    except (TypeError, ValueError, IndexError):
        return "Return two numbers: the value where x was a, then the value where x was b."
    if abs(value - (a - b) * (1 - f)) < 1e-6:
        return "You took the mean away; now divide by the standard deviation."
    if abs(value * f * (1 - f) * (a - b) ** 2 - (a - b) * (1 - f)) < 1e-6:
        return "You divided by the variance; the norm divides by its square root."
    if a < b and value > 0:
        return "Here a is the smaller one, so it comes out negative: |a - b| cancels, not a - b."
    return advice


@exercise("spade.parameters")
def parameters(answer):
    same = "Two SPADE layers, and two 3 x 3 convolutions with biases; the shortcut is the identity."
    wider = (
        "The middle width is min(in, out), and a learned shortcut has a SPADE over its *input* "
        "channels and a 1 x 1 convolution without bias."
    )
    for before, after, hint in ((16, 16, same), (64, 32, wider), (8, 24, wider)):
        config = ModelConfig(classes=5, spade_hidden=12, height=32, width=32)
        block = SPADEResBlock(channels_in=before, channels_out=after, config=config)
        counted = sum(parameter.numel() for parameter in block.parameters())
        what = f"your count for {before} -> {after} channels, 5 semantic and 12 hidden"
        expect_close(answer(before, after, 5, 12), counted, hint, what=what, tolerance=1e-9)
    return "that is every number that the optimiser sees in a block."


@exercise("spade.once")
def once(answer):
    generator = torch.Generator().manual_seed(0)
    config = ModelConfig(classes=4, spade_hidden=8, height=32, width=32)
    spade = SPADE(3, config=config)
    for parameter in spade.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    labels = torch.randint(config.classes, (1, 9, 11), generator=generator)
    with torch.no_grad():
        dense = spade.modulation(F.relu(spade.shared(one_hot(labels, classes=config.classes))))
        padded = F.pad(labels, (2, 2, 2, 2), value=config.classes)
        windows = rearrange(padded.unfold(1, 5, 1).unfold(2, 5, 1), "b h w i j -> (b h w) i j")
        met = answer(spade, windows)
    _same_maps(met, dense)
    return "gamma and beta once for each neighbourhood, exact to the border."


def _same_maps(met, dense):
    height, width = dense.shape[-2:]
    flat = rearrange(dense, "1 c h w -> (h w) c")
    advice = "One-hot, convolve, ReLU, convolve, with the weights of spade.shared and .modulation."
    if isinstance(met, torch.Tensor) and met.shape == flat.shape:
        wrong = (met - flat).abs().amax(dim=1) > 1e-4
        wrong = rearrange(wrong, "(h w) -> h w", h=height, w=width)
        gamma, beta = flat.chunk(2, dim=1)
        if wrong.any() and not wrong[1:-1, 1:-1].any():
            advice = (
                "Only pixels at the picture's border are wrong. The dense layer pads its hidden "
                "map with zeros there: a hidden value outside the picture must be zero."
            )
        elif torch.allclose(met, torch.cat([beta, gamma], dim=1), atol=1e-4):
            advice = "These are beta and gamma; spade.modulation has gamma first."
    expect_close(met, flat, advice, what="the modulation of the windows")
