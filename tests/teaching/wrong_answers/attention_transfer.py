r"""Typical wrong answers of the chapter on edge transfer, and a piece of the hint each must get."""

import torch
from torch import nn

from ecgan.data import toy
from ecgan.synthesis import synthesize
from ecgan.weights.checkpoint import shipped


class Gate(nn.Module):
    def __init__(self, function, *, add=True):
        super().__init__()
        self.function, self.add = function, add

    def forward(self, image, edge):
        attention = self.function(edge)
        return image * attention + self.add * image, attention


def _half(upstream, x, e):
    return upstream * torch.sigmoid(e), upstream * x * torch.sigmoid(e)


def _no_chain(upstream, x, e):
    attention = torch.sigmoid(e)
    return 1 + attention, x * attention * (1 - attention)


def _derivative(upstream, x, e):
    return upstream * (1 + torch.sigmoid(e)), upstream * x * torch.sigmoid(e)


def _paper_pictures():
    return synthesize(shipped("toy"), toy.scenes(8, seed=1).labels).first


WRONG = {
    "attention_transfer.range": [
        ((1.0, 2.0), "I_e comes out of tanh"),
        ((0.2689, 0.7311), "the gain is 1 plus the attention"),
        ((1.2689, 1.9), "the highest value that tanh"),
    ],
    "attention_transfer.gradient": [
        (_half, "the one behind the plus counts too"),
        (_no_chain, "multiply by the upstream gradient"),
        (_derivative, "not the sigmoid"),
        (lambda upstream, x, e: upstream, "return two gradients"),
    ],
    "attention_transfer.gate": [
        ((Gate(torch.tanh, add=False), torch.zeros(8, 3, 64, 64)), "Add the image"),
        ((Gate(torch.sigmoid), torch.zeros(8, 3, 64, 64)), "still the paper's gate"),
        ((Gate(torch.tanh), _paper_pictures()), "the paper's own gate"),
    ],
}
