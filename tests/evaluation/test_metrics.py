r"""Scores against counting by hand, and the Frechet distance against a matrix square root."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg

from ecgan.evaluation.metrics import accuracy, confusion, fid, iou, mean_iou, pooled

TARGET = torch.tensor([[0, 0, 0, 1], [1, 1, 255, 255]])
PREDICTED = torch.tensor([[0, 0, 1, 1], [1, 0, 2, 1]])


def test_confusion_counts_by_hand():
    counts = confusion(PREDICTED, TARGET, classes=3)
    assert counts.tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert counts.sum() == 6  # two pixels are ignored


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_confusion_equals_a_loop(dtype):
    target, predicted = torch.randint(5, (3, 8, 9)), torch.randint(5, (3, 8, 9))
    loop = np.zeros((5, 5), int)
    for row, column in zip(target.flatten().tolist(), predicted.flatten().tolist(), strict=True):
        loop[row, column] += 1
    counts = confusion(predicted.to(dtype), target.to(dtype), classes=5)
    assert counts.tolist() == loop.tolist()
    parts = [confusion(p, t, classes=5) for p, t in zip(predicted, target, strict=True)]
    assert torch.equal(sum(parts), counts)


def test_iou_by_hand():
    counts = confusion(PREDICTED, TARGET, classes=3)
    found = iou(counts)
    assert found[:2].tolist() == [2 / 4, 2 / 4]
    assert math.isnan(found[2])  # never there, never predicted: no opinion
    assert mean_iou(counts) == 0.5
    assert accuracy(counts) == pytest.approx(4 / 6)


def test_a_class_predicted_but_never_there_counts_as_zero():
    counts = confusion(torch.tensor([0, 1]), torch.tensor([0, 0]), classes=2)
    assert iou(counts).tolist() == [0.5, 0]
    assert mean_iou(counts) == 0.25


def test_a_row_of_pixels_without_class_counts_as_wrong():
    counts = torch.tensor([[2, 1, 0], [1, 2, 0], [0, 0, 0], [1, 1, 0]])
    assert iou(counts)[:2].tolist() == [2 / 5, 2 / 5]
    assert accuracy(counts) == pytest.approx(4 / 8)


def test_a_perfect_score():
    target = torch.arange(4)
    counts = confusion(target, target, classes=4)
    assert (mean_iou(counts), accuracy(counts)) == (1, 1)


@pytest.mark.parametrize(
    ("predicted", "target", "facts"),
    [
        ([0, 3], [0, 1], ["predicted", "0 to 3", "3 classes", "0 to 2"]),
        ([0, 1], [0, 7], ["target", "0 to 7", "3 classes"]),
        ([0, 1], [-1, 0], ["target", "-1 to 0", "255"]),
    ],
)
def test_ids_out_of_range_are_named(predicted, target, facts):
    with pytest.raises(ValueError, match="ids run from") as error:
        confusion(torch.tensor(predicted), torch.tensor(target), classes=3)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


def by_square_root(a: np.ndarray, b: np.ndarray) -> float:
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(covariance_a @ covariance_b).real
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return gap + np.trace(covariance_a + covariance_b - 2 * root)


@pytest.mark.parametrize("dim", [2, 6, 20])
def test_frechet_distance_equals_the_matrix_square_root(dim):
    mix = torch.randn(dim, dim, dtype=torch.float64)
    a = torch.randn(60, dim, dtype=torch.float64) @ mix + 1
    b = torch.randn(45, dim, dtype=torch.float64) * 2
    expected = by_square_root(a.numpy(), b.numpy())
    assert expected > 0.1
    assert fid(a, b) == pytest.approx(expected, rel=1e-6)
    assert fid(b, a) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_known_gaussians():
    a = torch.randn(50, 3, dtype=torch.float64)
    assert fid(a, a) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    assert fid(a, a + shift) == pytest.approx(9, abs=1e-6)
    # Twice the deviation: trace(C + 4 C - 2 sqrt(4 C C)) = trace(C), around one mean.
    centred = a - a.mean(0)
    trace = np.trace(np.cov(a.numpy(), rowvar=False))
    assert fid(centred, 2 * centred) == pytest.approx(trace, abs=1e-6)


def test_pooled_is_the_mean_of_every_channel_of_every_map():
    maps = [torch.randn(2, 3, 4, 5), torch.randn(2, 1, 2, 2)]
    found = pooled(maps)
    assert found.shape == (2, 4)
    assert found[1, 0].item() == pytest.approx(maps[0][1, 0].mean().item(), abs=1e-6)
    assert found[0, 3].item() == pytest.approx(maps[1][0, 0].mean().item(), abs=1e-6)
