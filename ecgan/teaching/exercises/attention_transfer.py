r"""Checkers of the chapter on attention guided edge transfer."""

import torch
from einops import rearrange
from torch import Tensor

from ecgan.data import toy
from ecgan.method.edge_transfer import AttentionGuidedEdgeTransfer
from ecgan.synthesis import synthesize
from ecgan.teaching.exercises import NotYet, exercise, expect_close
from ecgan.weights.checkpoint import shipped


@exercise("attention_transfer.range")
def range_(lowest, highest):
    edges = rearrange(torch.tensor([-1.0, 1.0]), "w -> 1 1 1 w")
    gains, _ = AttentionGuidedEdgeTransfer()(torch.ones_like(edges), edges)
    pairs = ((lowest, gains.min(), "lowest"), (highest, gains.max(), "highest"))
    for value, gain, name in pairs:
        hint = f"Put the {name} value that tanh can come near into the sigmoid, then add 1."
        if _is_number(value) and float(value) in (0.0, 1.0, 2.0):
            hint = "That is the gain of an edge of any size; I_e comes out of tanh, in (-1, 1)."
        elif _is_number(value) and abs(float(value) + 1 - gain.item()) < 1e-2:
            hint = "That is the attention; the gain is 1 plus the attention."
        expect_close(value, gain.item(), hint, what=f"the {name} gain", tolerance=1e-2)
    return "even without an edge the picture is amplified; the transfer never leaves it alone."


def _is_number(value):
    return isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)


@exercise("attention_transfer.gradient")
def gradient(answer):
    generator = torch.Generator().manual_seed(0)
    upstream, x, e = torch.randn(3, 50, generator=generator, dtype=torch.float64)
    x[:5] = 0
    x.requires_grad_()
    e.requires_grad_()
    (x * torch.sigmoid(e) + x).backward(upstream)
    with torch.no_grad():
        pair = answer(upstream, x.detach(), e.detach())
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise NotYet("return two gradients, the one with respect to x first, then that to e.")
    for met, expected, name in ((pair[0], x.grad, "x"), (pair[1], e.grad, "e")):
        what = f"the gradient with respect to {name}"
        expect_close(met, expected, _gradient_hint(met, expected, upstream, e, name), what=what)
    return "autograd agrees; and where x is 0, the edge feature gets no gradient at all."


def _gradient_hint(met, expected, upstream, e, name):
    attention = torch.sigmoid(e.detach())
    if isinstance(met, Tensor) and met.shape == expected.shape:
        if torch.allclose(met * upstream, expected):
            return "Apply the chain rule: multiply by the upstream gradient."
        if name == "x" and torch.allclose(met, upstream * attention):
            return "The formula has two terms with x; the one behind the plus counts too."
        if name == "e" and torch.allclose(met * (1 - attention), expected):
            return "The sigmoid's derivative is sigmoid (1 - sigmoid), not the sigmoid."
    return (
        "y = x (1 + sigmoid(e)) is a product: what multiplies x?"
        if name == "x"
        else "Only sigmoid(e) depends on e; x is its constant factor."
    )


@exercise("attention_transfer.gate")
def gate(answer, pictures):
    generator = torch.Generator().manual_seed(0)
    image, edge = torch.randn(2, 1, 4, 8, 8, generator=generator)
    transferred, attention = answer(image, edge)
    expected = image * torch.tanh(edge) + image
    expect_close(
        transferred, expected, _gate_hint(transferred, image, edge), what="the transferred features"
    )
    expect_close(
        attention, torch.tanh(edge), "Return the gain minus one, tanh(e).", what="the attention"
    )
    model = shipped("toy")
    labels = toy.scenes(8, seed=1).labels
    paper = synthesize(model, labels).first
    model.image_generator.transfer = answer
    hint = "Use first_images(held.labels[:8], TanhTransfer())."
    if _same(pictures, paper):
        hint = "These are the pictures of the paper's own gate. " + hint
    first = synthesize(model, labels).first
    expect_close(pictures, first, hint, what="the pictures", tolerance=1e-2)
    moved = (first - paper).abs().mean() / paper.abs().mean()
    return f"the gate is in place, and I' moved by {100 * moved:.0f} % of its mean size."


def _gate_hint(transferred, image, edge):
    if _same(transferred, image * torch.tanh(edge)):
        return "That is the gate alone, a gain between -1 and 1. Add the image, as the paper does."
    if _same(transferred, image * torch.sigmoid(edge) + image):
        return "That is still the paper's gate: tanh(edge) instead of sigmoid(edge)."
    return "The gain is 1 + tanh(edge); multiply the image by it."


def _same(met, expected):
    return (
        isinstance(met, Tensor)
        and met.shape == expected.shape
        and torch.allclose(met, expected, atol=1e-4)
    )
