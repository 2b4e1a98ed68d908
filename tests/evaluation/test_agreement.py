r"""How alike a class looks across pictures: by hand, and what raises or lowers it."""

import pytest
import torch
import torch.nn.functional as F

from ecgan.evaluation.agreement import LEAST, agreement, class_means

torch.manual_seed(0)
BOOKS = torch.nn.functional.one_hot(torch.arange(3)).double() * 3  # one direction a class


def vectors(spread: float, pictures: int = 8) -> torch.Tensor:
    dice = torch.Generator().manual_seed(1)
    noise = torch.randn(pictures, 3, 3, generator=dice, dtype=torch.double)
    return BOOKS + spread * noise


def by_hand(made: torch.Tensor, real: torch.Tensor) -> float:
    known = [one for picture in real for one in picture if not one.isnan().any()]
    mean, std = torch.stack(known).mean(0), torch.stack(known).std(0)
    same: dict[int, list] = {}
    other: dict[tuple[int, int], list] = {}
    for p, mine in enumerate((made - mean) / std):
        for q, theirs in enumerate((made - mean) / std):
            for k, one in enumerate(mine):
                for m, two in enumerate(theirs):
                    if p == q or one.isnan().any() or two.isnan().any():
                        continue
                    cosine = F.cosine_similarity(one, two, dim=0).item()
                    (same.setdefault(k, []) if k == m else other.setdefault((k, m), [])).append(
                        cosine
                    )
    means = [
        sum(sum(values) / len(values) for values in part.values()) / len(part)
        for part in (same, other)
    ]
    return means[0] - means[1]


def test_it_is_the_mean_over_pairs_of_different_pictures() -> None:
    made, real = vectors(1.0), vectors(0.5)
    made[2, 1] = torch.nan
    real[0, 0] = torch.nan
    assert agreement(made, real) == pytest.approx(by_hand(made, real), abs=1e-9)


def test_classes_that_vary_agree_less() -> None:
    real = vectors(0.5)
    found = [agreement(vectors(spread), real) for spread in (0.01, 1.0, 4.0, 100.0)]
    assert found == sorted(found, reverse=True)
    assert abs(found[-1]) < 0.3
    assert found[0] > 1.4  # three directions, centred: cosines of 1 and of -1/2


def test_classes_that_look_the_same_do_not_agree() -> None:
    r"""Alike within a class is worth nothing where other classes are just as alike."""
    alike = torch.ones(8, 3, 3, dtype=torch.double) + vectors(0.5) * 1e-3
    mixed = alike[:, [0, 0, 0]]
    assert agreement(mixed, vectors(0.5)) == pytest.approx(0, abs=1e-4)


class Colours(torch.nn.Module):
    r"""A judge that sees the picture itself, and once more at half its size."""

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [images, F.avg_pool2d(images, 2)]


def test_class_means_are_means_over_a_class_s_pixels() -> None:
    labels = torch.zeros(2, 8, 8, dtype=torch.long)
    labels[0, :, 4:] = 1
    labels[1, 0, : LEAST - 1] = 1  # too few
    labels[1, 4:] = 255
    images = torch.rand(2, 3, 8, 8)
    found = class_means(images, labels, Colours(), classes=3)
    assert found.shape == (2, 3, 6)
    torch.testing.assert_close(found[0, 1, :3], images[0, :, :, 4:].mean((1, 2)))
    torch.testing.assert_close(found[0, 0, 3:], images[0, :, :, :4].mean((1, 2)))
    torch.testing.assert_close(found[1, 0, :3], images[1][:, labels[1] == 0].mean(1))
    assert found[1, 1].isnan().all()
    assert found[:, 2].isnan().all()
