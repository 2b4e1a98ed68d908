r"""Hinge and feature matching against loops, and what all losses do with NaN."""

import pytest
import torch

from ecgan.method.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from ecgan.method.losses.finite import NonFiniteLoss, full_precision, require_finite

LAYERS = ((4, 9, 7), (6, 5, 4), (1, 6, 5))  # channels, height, width; the last is the map


def result(seed, *, scales=2, batch=2, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [
        [
            (3 * torch.randn(batch, c, h - s, w - s, generator=generator, dtype=torch.float64))
            .to(dtype)
            .requires_grad_()
            for c, h, w in LAYERS
        ]
        for s in range(scales)
    ]


def flat(scales):
    return [layer for layers in scales for layer in layers]


def naive_mean(scales, cost):
    means = []
    for layers in scales:
        values = [cost(score) for score in layers[-1].flatten().tolist()]
        means.append(sum(values) / len(values))
    return sum(means) / len(means)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_hinge_equals_loops(scales):
    found = result(1, scales=scales)
    assert hinge_generator(found).item() == pytest.approx(naive_mean(found, lambda d: -d))
    real = hinge_discriminator(found, real=True).item()
    fake = hinge_discriminator(found, real=False).item()
    assert real == pytest.approx(naive_mean(found, lambda d: max(0, 1 - d)))
    assert fake == pytest.approx(naive_mean(found, lambda d: max(0, 1 + d)))
    assert real != pytest.approx(fake)


def test_scales_weigh_the_same_whatever_their_size():
    found = [[torch.full((1, 1, 8, 8), 2.0)], [torch.full((1, 1, 2, 2), -1.0)]]
    assert hinge_generator(found).item() == pytest.approx(-0.5)
    assert hinge_discriminator(found, real=True).item() == pytest.approx((0 + 2) / 2)
    assert hinge_discriminator(found, real=False).item() == pytest.approx((3 + 0) / 2)


def test_hinge_gradient_stops_beyond_the_margin():
    scores = torch.tensor([[[[-2.0, -0.5, 0.5, 2.0]]]], requires_grad=True)
    hinge_discriminator([[scores]], real=True).backward()
    assert scores.grad.flatten().tolist() == [-0.25, -0.25, -0.25, 0]
    scores.grad = None
    hinge_discriminator([[scores]], real=False).backward()
    assert scores.grad.flatten().tolist() == [0, 0.25, 0.25, 0.25]
    scores.grad = None
    hinge_generator([[scores]]).backward()
    assert scores.grad.flatten().tolist() == [-0.25] * 4


def test_feature_matching_equals_loops():
    fake, real = result(1), result(2)
    total = 0
    for fakes, reals in zip(fake, real, strict=True):
        for a, b in zip(fakes[:-1], reals[:-1], strict=True):
            values = zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)
            differences = [abs(x - y) for x, y in values]
            total += sum(differences) / len(differences)
    assert feature_matching(fake, real).item() == pytest.approx(total / 2)


def test_feature_matching_moves_only_the_generated_features():
    fake, real = result(1), result(2)
    feature_matching(fake, real).backward()
    assert all(layer.grad is None for layer in flat(real))
    for layers in fake:
        assert layers[-1].grad is None
        for layer in layers[:-1]:
            torch.testing.assert_close(
                layer.grad.abs(), torch.full_like(layer, 0.5 / layer.numel())
            )


def test_losses_do_not_depend_on_the_order_of_images():
    fake, real = result(1, batch=3), result(2, batch=3)
    order = torch.tensor([2, 0, 1])
    turned = [[[layer[order] for layer in layers] for layers in s] for s in (fake, real)]
    assert hinge_generator(turned[0]).item() == pytest.approx(hinge_generator(fake).item())
    assert feature_matching(*turned).item() == pytest.approx(feature_matching(fake, real).item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    large = [[torch.full((1, 1, 64, 64), 60000.0, dtype=dtype)]]
    assert hinge_generator(large).dtype == torch.float32
    assert hinge_generator(large).item() == pytest.approx(-60000, rel=0.01)
    half = result(1, dtype=dtype)
    assert torch.isfinite(feature_matching(half, result(2, dtype=dtype)))
    assert torch.isfinite(hinge_discriminator(half, real=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_named(bad):
    fake, real = result(1), result(2)
    with torch.no_grad():
        fake[1][-1][0, 0, 0, 0] = bad
        real[0][0][0, 0, 0, 0] = bad
    for loss in (
        lambda: hinge_generator(fake),
        lambda: hinge_discriminator(fake, real=True),  # relu(1 - inf) would hide it
        lambda: hinge_discriminator(fake, real=False),
    ):
        with pytest.raises(NonFiniteLoss, match="adversarial loss"):
            loss()
    with pytest.raises(NonFiniteLoss, match="feature matching loss"):
        feature_matching(fake, real)


def test_wrong_discriminator_results():
    with pytest.raises(ValueError, match="at least one scale"):
        hinge_generator([])
    with pytest.raises(ValueError, match="at least one scale"):
        hinge_discriminator([[]], real=True)
    with pytest.raises(ValueError, match="one discriminator for both"):
        feature_matching(result(1, scales=1), result(2, scales=2))
    with pytest.raises(ValueError, match="no layer besides the map"):
        feature_matching([result(1)[0][-1:]], [result(2)[0][-1:]])


def test_require_finite_counts_and_says_where():
    good, bad = torch.ones(3), torch.tensor([1.0, float("nan"), float("inf"), float("inf")])
    with pytest.raises(NonFiniteLoss, match=r"toy loss: input 1 .* 1 NaN and 2 infinite of 4"):
        require_finite("toy", good, bad)
    require_finite("toy", good, torch.zeros(0))
    require_finite("toy")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_sum_that_overflows_is_no_error(dtype):
    require_finite("toy", torch.full((8,), torch.finfo(dtype).max, dtype=dtype))


def test_infinities_that_cancel_are_found():
    with pytest.raises(NonFiniteLoss):
        require_finite("toy", torch.tensor([float("inf"), -float("inf")]))


def test_full_precision_keeps_what_is_precise():
    for dtype in (torch.float32, torch.float64):
        assert full_precision(torch.ones(1, dtype=dtype)).dtype == dtype
    for dtype in (torch.float16, torch.bfloat16):
        assert full_precision(torch.ones(1, dtype=dtype)).dtype == torch.float32
