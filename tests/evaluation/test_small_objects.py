r"""Small objects: what is one, which come back, and scenes that hold them in known sizes."""

import numpy as np
import pytest
import torch

from ecgan.data import toy
from ecgan.data.toy.shrunken import shrunken
from ecgan.evaluation.small_objects import SIZES, Recall, recalls, size_of

SMALL = [toy.CLASSES.index(name) for name in toy.TINY]


def test_an_object_counts_for_the_nearest_size() -> None:
    assert [size_of(pixels) for pixels in (4, 5, 8, 9, 16, 17, 33, 34)] == [
        None, 6, 6, 12, 12, 24, 24, None
    ]  # fmt: skip


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    r"""Two people of 6 pixels that touch, one of 12 alone, and a wall of 24 pixels."""
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    instances = torch.zeros_like(labels)
    for number, (rows, columns) in enumerate(
        ((slice(0, 3), slice(0, 2)), (slice(0, 3), slice(2, 4)), (slice(8, 12), slice(8, 11))), 1
    ):
        labels[0, rows, columns], instances[0, rows, columns] = 1, number
    labels[0, 8:14, 0:4] = 2
    return labels, instances


def test_each_object_counts_once_among_those_of_its_size() -> None:
    labels, instances = scene()
    found = recalls(labels, labels, instances, classes=[1])
    assert found == {6: Recall(there=2, back=2), 12: Recall(there=1, back=1), 24: Recall()}
    assert recalls(labels, labels, instances, classes=[1, 2])[24].there == 1
    read = labels.clone()
    read[0, 0, 0:2] = 0  # two of three rows of the first are left
    assert recalls(read, labels, instances, classes=[1])[6].back == 2
    read[0, 0:2, 0:2] = 0  # one of three
    assert recalls(read, labels, instances, classes=[1])[6] == Recall(there=2, back=1)
    read[0, 8:12, 8:11] = 2  # all of it, as another class
    assert recalls(read, labels, instances, classes=[1])[12].share == 0


def test_don_t_care_is_no_object() -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[0, :2, :3] = 255
    found = recalls(labels, labels, torch.zeros_like(labels), classes=[0, 1])
    assert all(one.there == 0 for one in found.values())
    assert np.isnan(found[6].share)


@pytest.mark.parametrize("pixels", SIZES)
def test_shrunken_scenes_hold_objects_of_the_size(pixels: int) -> None:
    scenes = toy.scenes(24, seed=1)
    small = shrunken(scenes, pixels=pixels)
    found = recalls(small.labels, small.labels, small.instances, classes=SMALL)
    assert max(found, key=lambda size: found[size].there) == pixels
    assert found[pixels].there > 0.8 * sum(one.there for one in found.values()) > 10
    assert all(mine.dtype == theirs.dtype for mine, theirs in zip(small, scenes, strict=True))


def test_a_shrunken_object_stands_on_its_foot_before_what_was_beside_it() -> None:
    scenes = toy.scenes(24, seed=1)
    before = [part.clone() for part in scenes]
    small = shrunken(scenes, pixels=6)
    assert all(torch.equal(*pair) for pair in zip(scenes, before, strict=True)), "not in place"
    was, now = (torch.isin(one.labels, torch.tensor(SMALL)) for one in (scenes, small))
    assert now.sum() < 0.5 * was.sum()
    changed = (small.images != scenes.images).any(1)
    assert not changed[~was & ~now].any(), "only the objects' places change"
    for old, new in zip(scenes.labels, small.labels, strict=True):
        for index in SMALL:
            rows = [torch.nonzero((labels == index).any(1)) for labels in (old, new)]
            assert all(len(one) for one in rows) == bool(len(rows[0]))
            if len(rows[0]):
                assert rows[1].max() == rows[0].max()
