r"""Checkers of the chapter on layouts, and the sick folder that one of them is about."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ecgan.data import toy
from ecgan.evaluation.metrics import accuracy, confusion, mean_iou
from ecgan.method.layouts import one_hot as package_one_hot
from ecgan.teaching.exercises import NotYet, exercise, expect_close

SICK_FILE, SICK_LABEL, WAS = "00004.png", 60, toy.CLASSES.index("car")
SICK_SEED, SICK_SCENES = 7, 8


def sick_folder() -> Path:
    r"""A new folder of toy scenes; one label file holds an id that no class has."""
    folder = toy.write_folder(tempfile.mkdtemp(prefix="sick-"), SICK_SCENES, seed=SICK_SEED)
    labels = np.array(Image.open(folder / "labels" / SICK_FILE))
    labels[labels == WAS] = SICK_LABEL
    Image.fromarray(labels).save(folder / "labels" / SICK_FILE)
    return folder


@exercise("layouts.one_hot")
def one_hot(answer):
    labels = torch.tensor([[[0, 1, 2], [2, 2, 0]]])
    expect_close(
        answer(labels, 4),
        package_one_hot(labels, classes=4),
        "Channels come second, after the batch: (1, 4, 2, 3) here, one for each of 4 classes, met "
        "or not. Channel k is 1 where the label is k, else 0.",
        what="the one-hot encoding of a map of 2 by 3 labels",
    )
    several = toy.scenes(3, height=32, width=48, seed=4).labels
    expect_close(
        answer(several, 9),
        package_one_hot(several, classes=9),
        "The small map was right. Does your line hold for several layouts, of another shape?",
        what="the one-hot encoding of three toy layouts",
    )
    return "comparing a map with a row of ids, along a new axis, is all there is to it."


@exercise("layouts.doctor")
def doctor(folder, file, label):
    if file is None or file is ...:
        raise NotYet("which file does the doctor name? Run print(examine(sick)).")
    if Path(str(file)).name != SICK_FILE:
        raise NotYet(f"{file} is healthy. The report names the file in its list of errors.")
    if label != SICK_LABEL:
        raise NotYet(
            f"{label} is not the wrong label. The report says which value was met, how often, "
            f"and which values are allowed."
        )
    mended = np.array(Image.open(Path(folder) / "labels" / SICK_FILE))
    if (mended == SICK_LABEL).any():
        raise NotYet(
            f"file and label are right. Now mend it: load labels/{SICK_FILE}, give these pixels "
            f"the class that they show in images/{SICK_FILE}, and save it as PNG."
        )
    number = int(Path(SICK_FILE).stem)
    truth = toy.scenes(1, seed=SICK_SEED, start=number).labels[0].numpy()
    if mended.shape != truth.shape:
        raise NotYet(
            f"the mended file holds an array of shape {mended.shape}; a label map has "
            f"{truth.shape}, one id for each pixel."
        )
    if (mended != truth).any():
        given = sorted({toy.CLASSES[k] for k in set(mended[truth != mended]) if k < 9})
        raise NotYet(
            f"the folder could be trained on now, and yet {(mended != truth).sum()} pixels have "
            f"the wrong class ({', '.join(given) or 'an unknown one'}). Look at the image beside "
            f"the layout: what stands there?"
        )
    return "the doctor finds what cannot be; what a region shows, only a look at the image tells."


@exercise("layouts.forgetful")
def forgetful(answer):
    labels = toy.scenes(20, seed=6).labels
    drawn = torch.where(labels >= toy.CLASSES.index("lamp"), toy.CLASSES.index("building"), labels)
    counts = confusion(drawn, labels, classes=9)
    met = answer(labels)
    try:
        right, overlap = met
    except (TypeError, ValueError):
        raise NotYet("return two numbers: accuracy, mean_iou.") from None
    expect_close(
        right,
        accuracy(counts),
        "It is the share of pixels whose class is unchanged, 0 to 1.",
        what="your accuracy",
    )
    expect_close(
        overlap,
        mean_iou(counts),
        "It is the mean over all 9 classes; the two that were forgotten have IoU 0 and count.",
        what="your mean IoU",
    )
    return (
        f"accuracy {float(right):.3f}, mean IoU {float(overlap):.3f}: nobody is missed by the "
        f"first, and the second drops by more than two classes in nine."
    )
