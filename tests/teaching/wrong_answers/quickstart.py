r"""Typical wrong answers to the exercises of the quickstart, and the hint that each must get."""

import torch

from ecgan.data import toy

_STREET = toy.scenes(1, seed=1).labels[0]
_ALL_SKY = torch.zeros(64, 64, dtype=torch.long)
_LONELY_LAMP = torch.arange(9).repeat_interleave(456)[: 64 * 63]
_LONELY_LAMP = torch.cat([_LONELY_LAMP, torch.zeros(64, dtype=torch.long)]).view(64, 64).clone()
_LONELY_LAMP[_LONELY_LAMP == 7] = 2
_LONELY_LAMP[0, 0] = 7


def _signed(before, after, painted):
    change = after - before
    return change[:, :, painted].mean(), change[:, :, ~painted].mean()


def _everywhere(before, after, painted):
    change = (after - before).abs()
    return change[:, :, painted].mean(), change.mean()


def _one_number(before, after, painted):
    return (after - before).abs().mean()


def _summed(before, after, painted):
    change = (after - before).abs()
    return change[:, :, painted].sum(), change[:, :, ~painted].sum()


WRONG = {
    "quickstart.sky": [
        ((_STREET, (_STREET == 0).sum()), "the number of pixels"),
        ((_STREET, 100 * (_STREET == 0).float().mean().item()), "a percentage"),
        ((_STREET, _STREET == 0), "which share of them is True"),
        ((_STREET, (_STREET == 1).float().mean()), "take the mean"),
    ],
    "quickstart.every_class": [
        (_STREET, "has no tree, no lamp"),
        (_STREET.float(), "a label map holds integer ids"),
        (_STREET[:40], "this config makes multiples of 32"),
        (_STREET + 9, "this config has 9 classes"),
        (_LONELY_LAMP, "lamp: fewer than 6 pixels"),
        ([[0, 1], [2, 3]], "hand in a torch tensor"),
    ],
    "quickstart.break_it": [
        (_STREET, "the judge still recognises it"),
        (_ALL_SKY, "use three classes or more"),
        (_STREET * 30, "this config has 9 classes"),
    ],
    "quickstart.reach": [
        (_signed, "take absolute values"),
        (_everywhere, "where it is False"),
        (_summed, "where painted is True"),
        (_one_number, "return two numbers"),
    ],
}
