r"""Typical wrong answers to the exercises on layouts, and the hint that each must get."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ecgan.evaluation.metrics import accuracy, confusion, mean_iou
from ecgan.teaching.exercises.layouts import SICK_FILE, SICK_LABEL, sick_folder


def _channels_last(labels, classes):
    return F.one_hot(labels, classes).float()


def _only_classes_met(labels, classes):
    return torch.stack([(labels == k).float() for k in labels.unique()], dim=1)


def _amounts(labels, classes):
    return torch.stack([labels / classes] * classes, dim=1)


def _first_only(labels, classes):
    return torch.stack([(labels[:1] == k).float() for k in range(classes)], dim=1)


def _mended(becomes):
    folder = sick_folder()
    labels = np.array(Image.open(folder / "labels" / SICK_FILE))
    labels[labels == SICK_LABEL] = becomes
    Image.fromarray(labels).save(folder / "labels" / SICK_FILE)
    return folder


def _drawn(labels):
    return torch.where(labels >= 7, 2, labels)


def _accuracy_only(labels):
    return accuracy(confusion(_drawn(labels), labels, classes=9))


def _in_percent(labels):
    counts = confusion(_drawn(labels), labels, classes=9)
    return 100 * accuracy(counts), 100 * mean_iou(counts)


def _without_the_forgotten(labels):
    counts = confusion(_drawn(labels), labels, classes=9)
    return accuracy(counts), mean_iou(counts[:7, :7])


def _another_class_forgotten(labels):
    counts = confusion(torch.where(labels >= 6, 2, labels), labels, classes=9)
    return accuracy(counts), mean_iou(counts)


WRONG = {
    "layouts.one_hot": [
        (_channels_last, "Channels come second"),
        (_only_classes_met, "one for each of 4 classes"),
        (_amounts, "Channel k is 1 where the label is k"),
        (_first_only, "several layouts"),
    ],
    "layouts.doctor": [
        ((_mended(6), "00000.png", SICK_LABEL), "is healthy"),
        ((_mended(6), SICK_FILE, 6), "is not the wrong label"),
        ((sick_folder(), SICK_FILE, SICK_LABEL), "Now mend it"),
        ((_mended(1), SICK_FILE, SICK_LABEL), "what stands there?"),
        ((sick_folder(), ..., ...), "which file does the doctor name?"),
    ],
    "layouts.forgetful": [
        (_accuracy_only, "return two numbers"),
        (_in_percent, "0 to 1"),
        (_without_the_forgotten, "count"),
        (_another_class_forgotten, "whose class is unchanged"),
    ],
}
