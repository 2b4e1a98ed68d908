r"""Typical wrong answers of the chapter on semantic preserving, and the hint each must get."""

import math

import torch
import torch.nn.functional as F


def _counts(gates, present, bins):
    both = (torch.histc(part, bins, 0, 1) for part in (gates[present], gates[~present]))
    return torch.minimum(*both).sum()


def _own_range(gates, present, bins):
    both = (torch.histc(part, bins) / len(part) for part in (gates[present], gates[~present]))
    return torch.minimum(*both).sum()


def _larger(gates, present, bins):
    parts = (gates[present], gates[~present])
    both = (torch.histc(part, bins, 0, 1) / len(part) for part in parts)
    return torch.maximum(*both).sum()


def _constant(factor):
    def answer(module, stack):
        x = F.leaky_relu(factor * module.to_classes(F.leaky_relu(stack, 0.2)), 0.2)
        return torch.tanh(module.to_image(F.leaky_relu(module.from_classes(x), 0.2)))

    return answer


WRONG = {
    "semantic_preserving.silent": [
        ((0.0, 1.0), "the sigmoid of 0 is not 0"),
        ((0.5, 0.5), "added once more"),
        ((0.5, ...), "the factor is still empty"),
    ],
    "semantic_preserving.overlap": [
        (_counts, "divide each histogram by its own sum"),
        (_own_range, "the same bins, from 0 to 1"),
        (_larger, "the smaller share of each bin"),
    ],
    "semantic_preserving.ungated": [
        (lambda module, stack: module(stack)[0], "The gates are still in it"),
        (_constant(1.0), "gives 1 + 1/2"),
        (_constant(0.5), "adds the map itself"),
    ],
    "semantic_preserving.loudness": [
        (lambda share, gate: math.log(gate / (1 - gate)), "the lamp alone must lift it"),
        (lambda share, gate: math.log(gate / (1 - gate)) * share, "divide by the share"),
        (lambda share, gate: math.log(gate) / share, "not the sigmoid's inverse"),
    ],
}
