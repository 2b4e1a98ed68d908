r"""Edges inside regions: where they count, and what a comparison of distributions can tell."""

import pytest
import torch

from ecgan.data import toy
from ecgan.evaluation.inside_edges import (
    LEAST,
    MARGIN,
    densities,
    density_gap,
    edge_features,
    inner_edges,
    inside,
)
from ecgan.evaluation.metrics import SegmenterFeatures, fid
from ecgan.evaluation.protocols import EvaluationError
from ecgan.method.edges import TOY, canny, f1
from ecgan.weights.checkpoint import shipped

COUNT, CLASSES = 72, len(toy.CLASSES)  # more pictures than the judge has features


@pytest.fixture(scope="module")
def scenes() -> toy.Scenes:
    return toy.scenes(COUNT, seed=1)


def test_inside_keeps_its_distance_from_other_classes() -> None:
    labels = torch.zeros(1, 9, 9, dtype=torch.long)
    labels[0, :, 6:] = 1
    found = inside(labels, margin=2)[0]
    columns = [bool(column.all()) for column in found.unbind(1)]
    assert columns == [True] * 4 + [False] * 4 + [True]
    assert torch.equal(found.any(0), found.all(0))
    assert inside(torch.zeros_like(labels)).all(), "the border of a picture is no boundary"


def test_no_edge_of_a_boundary_counts(scenes) -> None:
    flat = scenes.labels / (CLASSES - 1) * 2 - 1
    flat = torch.stack([flat] * 3, dim=1)
    assert not inner_edges(canny(flat, settings=TOY), scenes.labels).any()
    assert inner_edges(canny(scenes.images, settings=TOY), scenes.labels).any()


def test_densities_are_shares_of_each_class_s_inner_pixels() -> None:
    labels = torch.zeros(1, 16, 32, dtype=torch.long)
    labels[0, :, 16:] = 1
    edges = torch.zeros(1, 16, 32, dtype=torch.bool)
    edges[0, ::4, : 16 - MARGIN] = True
    found = densities(edges, labels, classes=3)[0]
    assert found[:2].tolist() == [0.25, 0]
    assert found[2].isnan()
    labels[0, : LEAST // 4, :4] = 2  # enough pixels, too few of them inside
    assert densities(edges, labels, classes=3)[0, 2].isnan()


def test_the_gap_is_the_distance_of_the_distributions() -> None:
    nan = torch.nan
    real = torch.tensor([[0.1, 0.2], [0.3, nan], [0.2, 0.4]])
    assert density_gap(real, real[[2, 0, 1]]) == 0, "the order of the pictures is no difference"
    assert density_gap(real + 0.1, real) == pytest.approx(0.1)
    # The same mean, and yet another distribution: pictures that are all alike.
    same = torch.full((3, 2), 0.0) + torch.tensor([0.2, 0.3])
    assert density_gap(same, real) == pytest.approx((0.2 / 3 + 0.1) / 2)
    with pytest.raises(EvaluationError, match="no class has"):
        density_gap(torch.full((3, 2), nan), real)


@torch.no_grad()
def test_other_windows_are_no_fault_and_no_windows_are(scenes) -> None:
    r"""What common pixels cannot tell: mirrored streets are streets, noise and plain walls none."""
    extractor = SegmenterFeatures(segmenter=shipped("toy_judge"))
    wanted = inner_edges(canny(scenes.images, settings=TOY), scenes.labels)
    features = edge_features(wanted, extractor)
    share = wanted[inside(scenes.labels)].float().mean()
    dice = torch.Generator().manual_seed(0)
    noise = (torch.rand(wanted.shape, generator=dice) < share) & inside(scenes.labels)
    other, none = wanted.flip(-1), torch.zeros_like(wanted)
    found = {
        name: fid(edge_features(edges, extractor), features)
        for name, edges in (("other", other), ("noise", noise), ("none", none))
    }
    assert f1(other, wanted) < 0.35, "as common pixels have it, mirrored streets are all wrong"
    assert found["other"] < 0.05 * min(found["noise"], found["none"]), found
