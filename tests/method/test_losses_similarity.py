r"""Affinity cross-entropy: tiles against the dense map against loops, and the sampled estimate."""

import math

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.method.losses.similarity import CLAMP, affinity, affinity_bce, affinity_bce_sampled

DOUBLE = torch.float64


def picture(b=2, k=4, h=5, w=6, seed=0, dtype=DOUBLE, ignored=True):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(b, k, h, w, generator=generator, dtype=DOUBLE)
    labels = torch.randint(k, (b, h, w), generator=generator)
    if ignored:
        labels[0, :2] = 255
        labels[1, 0, 0] = 255
    return logits.softmax(1).to(dtype).requires_grad_(), labels


def naive(probabilities, labels):
    r"""Every pair of pixels of an image, one after the other."""
    images = []
    for p, ids in zip(probabilities, labels, strict=True):
        pixels = [(p[:, y, x], ids[y, x]) for y, x in (ids != 255).nonzero().tolist()]
        costs = []
        for p_m, id_m in pixels:
            for p_n, id_n in pixels:
                together = (p_m @ p_n).clamp(CLAMP, 1 - CLAMP)
                costs.append(-torch.log(together if id_m == id_n else 1 - together))
        if costs:
            images.append(sum(costs) / len(costs))
    return sum(images) / len(images)


def dense(probabilities, labels):
    r"""With the whole affinity map, for pictures without ignored pixels."""
    one_hot = torch.nn.functional.one_hot(labels, probabilities.shape[1]).movedim(-1, 1)
    target = affinity(one_hot.to(probabilities))
    found = affinity(probabilities).clamp(CLAMP, 1 - CLAMP)
    return torch.nn.functional.binary_cross_entropy(found, target)


def with_gradient(loss, probabilities):
    return loss.detach(), torch.autograd.grad(loss, probabilities)[0]


def test_affinity_of_one_hot_is_same_class():
    labels = torch.tensor([[[0, 1], [1, 2]]])
    one_hot = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    ids = labels.flatten()
    assert torch.equal(affinity(one_hot)[0], (ids[:, None] == ids[None]).float())


def test_equals_loops():
    p, labels = picture(h=3, w=4)
    found, expected = affinity_bce(p, labels, tile=3), naive(p, labels)
    for a, b in zip(with_gradient(found, p), with_gradient(expected, p), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("tile", [1, 7, 30, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_tiles_equal_the_dense_map(tile, dtype):
    p, labels = picture(dtype=dtype, ignored=False)
    found, expected = affinity_bce(p, labels, tile=tile), dense(p, labels)
    for a, b in zip(with_gradient(found, p), with_gradient(expected, p), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_gradient_by_finite_differences():
    p, labels = picture(b=1, k=3, h=2, w=3, ignored=False)
    torch.autograd.gradcheck(lambda x: affinity_bce(x, labels, tile=2), p)


@pytest.mark.parametrize("dtype", [torch.long, torch.int32, torch.uint8])
def test_one_hot_and_label_maps_are_the_same_target(dtype):
    p, labels = picture()
    one_hot = torch.nn.functional.one_hot(labels.clamp(max=4), 5).movedim(-1, 1)[:, :4]
    value = affinity_bce(p, labels.to(dtype)).item()
    assert affinity_bce(p, one_hot.to(p)).item() == value
    pairs = {"pairs": 50, "generator": torch.Generator().manual_seed(3)}
    sampled = affinity_bce_sampled(p, one_hot.to(p), **pairs).value.item()
    pairs["generator"].manual_seed(3)
    assert affinity_bce_sampled(p, labels.to(dtype), **pairs).value.item() == sampled


def test_order_of_pixels_and_layouts_is_nothing():
    p, labels = picture()
    value = affinity_bce(p, labels).item()
    order = torch.randperm(30)
    turned = p.flatten(2)[:, :, order].unflatten(2, (5, 6))
    moved = labels.flatten(1)[:, order].unflatten(1, (5, 6))
    assert affinity_bce(turned, moved, tile=4).item() == pytest.approx(value, rel=1e-12)
    assert affinity_bce(p.flip(0), labels.flip(0)).item() == pytest.approx(value, rel=1e-12)
    assert affinity_bce(p[:, [2, 0, 3, 1]], labels).item() == pytest.approx(value, rel=1e-12)


def test_relations_count_not_names():
    r"""Swapping two classes' names keeps every relation; merging two classes does not."""
    _, labels = picture(ignored=False)
    one_hot = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).double()
    assert affinity_bce(one_hot[:, [1, 0, 2, 3]], labels).item() < 1e-5
    merged = one_hot.clone()
    merged[:, 0] += merged[:, 1]
    merged[:, 1] = 0
    assert affinity_bce(merged, labels).item() > 1


def test_ignored_pixels_get_no_gradient():
    p, labels = picture()
    for loss in (affinity_bce(p, labels), affinity_bce_sampled(p, labels, pairs=500).value):
        (grad,) = torch.autograd.grad(loss, p)
        assert not grad.movedim(1, -1)[labels == 255].any()
        assert grad.any()


def test_all_ignored_is_zero_and_an_empty_image_counts_for_nothing():
    p, labels = picture(ignored=False)
    nothing = torch.full_like(labels, 255)
    for loss in (affinity_bce(p, nothing), affinity_bce_sampled(p, nothing).value):
        value, grad = with_gradient(loss, p)
        assert value == 0
        assert not grad.any()
    labels[1] = 255
    assert affinity_bce(p, labels).item() == pytest.approx(affinity_bce(p[:1], labels[:1]).item())


def test_certain_and_wrong_is_finite():
    labels = torch.tensor([[[0, 0], [1, 1]]])
    wrong = torch.nn.functional.one_hot(torch.tensor([[[0, 1], [0, 1]]]), 2).movedim(-1, 1)
    p = wrong.float().requires_grad_()
    value, grad = with_gradient(affinity_bce(p, labels), p)
    assert value.item() == pytest.approx(-0.5 * math.log(CLAMP), rel=0.01)  # half of the pairs
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    p, labels = picture(dtype=dtype)
    with torch.autocast("cpu", dtype=dtype):
        exact = affinity_bce(p, labels, tile=8)
        sampled = affinity_bce_sampled(p, labels, pairs=4000).value
    expected = affinity_bce(p.double(), labels).item()
    assert exact.dtype == torch.float32
    assert exact.item() == pytest.approx(expected, rel=1e-4)
    assert sampled.item() == pytest.approx(expected, rel=0.1)
    for loss in (exact, sampled):
        assert torch.isfinite(torch.autograd.grad(1024 * loss, p)[0]).all()


def test_sampled_estimate_and_its_gradient_are_unbiased():
    p, labels = picture(b=3, h=4, w=4)
    exact, exact_gradient = with_gradient(affinity_bce(p, labels), p)
    generator, values, gradients, errors = torch.Generator().manual_seed(1), [], [], []
    for _ in range(600):
        estimate = affinity_bce_sampled(p, labels, pairs=40, generator=generator)
        value, grad = with_gradient(estimate.value, p)
        values.append(value)
        gradients.append(grad)
        errors.append(estimate.standard_error)
    values, gradients = torch.stack(values), torch.stack(gradients)
    assert (values.mean() - exact).abs() < 4 * values.std() / 600**0.5
    # All derivatives at once: their mean squared z-score is 1 if none is biased.
    spread = gradients.var(0) / 600
    z = (gradients.mean(0) - exact_gradient)[spread > 0] / spread[spread > 0].sqrt()
    assert z.square().mean() < 1.65
    # The stated variance is the true one.
    stated = torch.stack(errors).square().mean().sqrt()
    assert stated.item() == pytest.approx(values.std().item(), rel=0.12)


def test_sampled_estimate_converges():
    p, labels = picture()
    exact = affinity_bce(p, labels).item()
    generator = torch.Generator().manual_seed(2)
    few, many = (
        affinity_bce_sampled(p, labels, pairs=pairs, generator=generator) for pairs in (200, 200000)
    )
    assert abs(many.value.item() - exact) < 4 * many.standard_error.item() < 0.02
    assert few.standard_error / many.standard_error == pytest.approx(1000**0.5, rel=0.3)


def test_sampled_estimate_repeats_with_its_generator():
    p, labels = picture()
    a, b, c = (
        affinity_bce_sampled(p, labels, generator=torch.Generator().manual_seed(seed)).value.item()
        for seed in (1, 1, 2)
    )
    assert a == b != c


def peak_bytes(loss):
    r"""The most memory that tensors made by ``loss().backward()`` held at one time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        loss().backward()
    held = peak = 0
    for event in found.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def test_the_tile_sets_the_peak_memory():
    p, labels = picture(b=1, k=3, h=40, w=40, dtype=torch.float32, ignored=False)
    pairs = 4 * 1600**2
    whole = peak_bytes(lambda: dense(p, labels))
    small, large = (peak_bytes(lambda t=t: affinity_bce(p, labels, tile=t)) for t in (100, 400))
    assert whole > 2 * pairs
    assert small < 0.15 * pairs
    assert small < large / 4 < whole / 4
    p, labels = picture(b=1, k=3, h=80, w=80, dtype=torch.float32, ignored=False)
    assert peak_bytes(lambda: affinity_bce(p, labels, tile=400)) < 1.5 * large  # 16 times the pairs


@pytest.mark.parametrize("loss", [affinity_bce, affinity_bce_sampled])
def test_bad_input(loss):
    p, labels = picture()
    with pytest.raises(NonFiniteLoss, match="similarity loss"):
        loss(p * float("nan"), labels)
    with pytest.raises(ValueError, match="Apply softmax"):
        loss(5 * p - 1, labels)
    with pytest.raises(ValueError, match=r"labels of shape \(2, 5, 3\)"):
        loss(p, labels[:, :, :3])
    with pytest.raises(ValueError, match="has 5 channels, the segmenter 4"):
        loss(p, torch.zeros(2, 5, 5, 6))


def test_bad_settings():
    p, labels = picture()
    with pytest.raises(ValueError, match="tile 0"):
        affinity_bce(p, labels, tile=0)
    with pytest.raises(ValueError, match="1 pairs"):
        affinity_bce_sampled(p, labels, pairs=1)
