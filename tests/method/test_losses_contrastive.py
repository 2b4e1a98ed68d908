r"""InfoNCE against its formula, pixel by pixel, and the cases in which the formula has no value."""

import math

import pytest
import torch

from ecgan.method.losses.contrastive import info_nce, unit
from ecgan.method.losses.diagnostics import diagnose, expected_at_random
from ecgan.method.losses.finite import NonFiniteLoss

DOUBLE = torch.float64


def samples(n=24, d=6, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    vectors = 3 * torch.randn(n, d, generator=generator, dtype=DOUBLE)
    return vectors.requires_grad_(), torch.randint(classes, (n,), generator=generator)


def naive(queries, query_labels, keys, key_labels, temperature, allowed=None, ignore=255):
    r"""The formula as it stands: exponentials, sums, one query and one positive after another."""
    values = []
    for i, query in enumerate(queries):
        positives, negatives = [], []
        for j, key in enumerate(keys):
            if (allowed is not None and not allowed[i, j]) or ignore in (
                int(query_labels[i]),
                int(key_labels[j]),
            ):
                continue
            e = torch.exp(query @ key / (query.norm() * key.norm()) / temperature)
            (positives if query_labels[i] == key_labels[j] else negatives).append(e)
        if positives:
            terms = [-torch.log(p / (p + sum(negatives))) for p in positives]
            values.append(sum(terms) / len(terms))
    return sum(values) / len(values)


def others(n):
    return ~torch.eye(n, dtype=torch.bool)


def gradient(loss, *inputs):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, inputs)])


def test_short_vectors_in_half_precision_have_a_direction():
    vectors = torch.tensor([[3e-5, 4e-5], [3, 4]], dtype=torch.float16)
    torch.testing.assert_close(unit(vectors).norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_formula(temperature, seed):
    x, labels = samples(seed=seed)
    fast = info_nce(x, labels, temperature=temperature)
    slow = naive(x, labels, x, labels, temperature, others(len(x)))
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient(fast, x), gradient(slow, x), rtol=1e-8, atol=1e-12)


def test_equals_the_formula_with_other_keys_masks_and_ignored_pixels():
    x, labels = samples(n=12)
    keys, key_labels = samples(n=17, seed=5)
    labels[3], key_labels[4], key_labels[9] = 255, 255, 255
    allowed = torch.rand(12, 17) < 0.6
    fast = info_nce(x, labels, keys, key_labels, temperature=0.2, allowed=allowed)
    slow = naive(x, labels, keys, key_labels, 0.2, allowed)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=0)
    found, expected = gradient(fast, x, keys), gradient(slow, x, keys)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)
    assert not torch.autograd.grad(info_nce(x, labels, keys, key_labels), x)[0][3].any()


def test_no_query_is_its_own_positive():
    x, _ = samples(n=3)
    labels = torch.tensor([0, 1, 2])
    assert info_nce(x, labels).item() == 0
    assert info_nce(x, labels, x, labels).item() > 0  # unless the caller pairs it with itself
    labels = torch.tensor([0, 0, 1])
    slow = naive(x, labels, x, labels, 0.1, others(3))
    assert info_nce(x, labels, allowed=torch.ones(3, 3, dtype=torch.bool)).item() == pytest.approx(
        slow.item()
    )


def test_depends_on_directions_not_on_lengths_or_order():
    x, labels = samples()
    value = info_nce(x, labels).item()
    lengths = torch.logspace(-3, 3, len(x), dtype=DOUBLE)[:, None]
    assert info_nce(x * lengths, labels).item() == pytest.approx(value, rel=1e-10)
    order = torch.randperm(len(x))
    assert info_nce(x[order], labels[order]).item() == pytest.approx(value, rel=1e-10)
    names = torch.tensor([7, 3, 9, 1])  # which number a class has means nothing
    assert info_nce(x, names[labels]).item() == pytest.approx(value, rel=1e-12)


def test_perfect_and_worst_embeddings():
    labels = torch.arange(4).repeat_interleave(5)
    best = torch.eye(4, dtype=DOUBLE)[labels]
    assert info_nce(best, labels, temperature=0.05).item() < 1e-6
    same = torch.ones(20, 4, dtype=DOUBLE)
    assert info_nce(same, labels, temperature=0.05).item() == pytest.approx(math.log(1 + 15))


UNDEFINED = {
    "one class": torch.zeros(6, dtype=torch.long),
    "no positive": torch.arange(6),
    "all ignored": torch.full((6,), 255),
    "one class, the rest ignored": torch.tensor([2, 2, 2, 255, 255, 255]),
}


@pytest.mark.parametrize("labels", UNDEFINED.values(), ids=UNDEFINED)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_zero_with_gradient_zero_where_undefined(labels, dtype):
    x = torch.randn(6, 5).to(dtype).requires_grad_()
    loss = info_nce(x, labels)
    loss.backward()
    assert loss.item() == 0
    assert x.grad.abs().max() == 0


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 4), (4, 0)])
def test_empty_sets(n, m):
    x, y = torch.randn(n, 3, requires_grad=True), torch.randn(m, 3, requires_grad=True)
    loss = info_nce(x, torch.zeros(n, dtype=torch.long), y, torch.zeros(m, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
    assert x.grad.shape == x.shape
    assert not x.grad.any()
    assert not y.grad.any()


def test_zero_vectors_have_no_direction_and_no_gradient():
    x, labels = samples(n=10)
    x = x.detach()
    x[2] = 0
    x.requires_grad_()
    loss = info_nce(x, labels)
    (grad,) = torch.autograd.grad(loss, x)
    assert torch.isfinite(loss)
    assert torch.isfinite(grad).all()
    assert not grad[2].any()
    assert grad[3].any()
    torch.testing.assert_close(unit(x)[3].norm(), torch.tensor(1, dtype=DOUBLE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
@pytest.mark.parametrize("temperature", [0.01, 0.1])
def test_half_precision(dtype, scale, temperature):
    x, labels = samples(n=60, d=16)
    half = (scale * x.detach()).to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        loss = info_nce(half, labels, temperature=temperature)
    assert loss.dtype == torch.float32
    exact = info_nce(half.double(), labels, temperature=temperature).item()
    assert loss.item() == pytest.approx(exact, rel=1e-4)  # only the input is rounded
    (1e3 * scale * loss).backward()
    assert torch.isfinite(half.grad).all()
    assert half.grad.any()


@pytest.mark.parametrize("temperature", [0, 0.0, -0.1, float("nan"), float("inf")])
def test_temperature_must_be_above_zero(temperature):
    x, labels = samples()
    with pytest.raises(ValueError, match="must be above 0"):
        info_nce(x, labels, temperature=temperature)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_is_named(bad):
    x, labels = samples()
    broken = x.detach().clone()
    broken[1, 2] = bad
    with pytest.raises(NonFiniteLoss, match="contrastive loss"):
        info_nce(broken, labels)
    with pytest.raises(NonFiniteLoss, match="contrastive loss: input 1"):
        info_nce(x, labels, broken, labels)


@pytest.mark.parametrize(("negatives", "dim"), [(64, 256), (800, 64), (8, 1024)])
def test_value_at_random_is_the_log_of_one_more_than_the_negatives(negatives, dim):
    counts = torch.full((50,), negatives)
    labels = torch.cat([torch.zeros(50), torch.ones(negatives)]).long()
    allowed = torch.zeros(50, 50 + negatives, dtype=torch.bool)
    allowed[:, 50:] = True
    allowed[torch.arange(50), torch.arange(50).roll(1)] = True  # one positive each
    values = []
    for _ in range(30):
        x = torch.randn(50 + negatives, dim, dtype=DOUBLE)
        values.append(info_nce(x[:50], labels[:50], x, labels, temperature=0.3, allowed=allowed))
    values = torch.stack(values)
    error = values.std().item() / 30**0.5
    rough, fine = expected_at_random(counts), expected_at_random(counts, dim=dim, temperature=0.3)
    assert rough == pytest.approx(math.log(1 + negatives))
    assert values.mean().item() == pytest.approx(fine, abs=4 * error + 0.01)
    assert values.mean().item() == pytest.approx(rough, abs=0.15)


def test_expected_value_averages_over_queries_and_uses_the_sphere():
    assert expected_at_random(torch.tensor([1, 3])) == pytest.approx(math.log(2 * 4) / 2)
    assert expected_at_random(torch.zeros(0, dtype=torch.long)) == 0
    # In three dimensions a similarity is uniform in [-1, 1]: E exp(z/t) = t sinh(1/t).
    exact = math.log(1 + 5 * 0.2 * math.sinh(1 / 0.2))
    found = expected_at_random(torch.tensor([5]), dim=3, temperature=0.2)
    assert found == pytest.approx(exact, rel=1e-9)


def test_diagnostics_count_every_pair_once():
    x, labels = samples(n=30, classes=3)
    labels[:4] = 255
    found = diagnose(x, labels, temperature=0.2, bins=10)
    for i in range(30):
        same = [j for j in range(30) if j != i and labels[j] == labels[i] != 255]
        other = [j for j in range(30) if labels[i] != 255 and labels[j] not in (labels[i], 255)]
        assert found.positives[i] == len(same)
        assert found.negatives[i] == len(other)
    assert found.positive_histogram.sum() == found.positives.sum()
    assert found.negative_histogram.sum() == found.negatives.sum()
    assert found.value == pytest.approx(info_nce(x, labels, temperature=0.2).item())
    assert len(found.edges) == 11
    assert found.expected_at_random == pytest.approx(
        expected_at_random(found.negatives[4:], dim=6, temperature=0.2)
    )
    apart = diagnose(torch.eye(3)[labels.clamp(max=2)], labels, bins=10)
    assert apart.positive_histogram[-1] == apart.positives.sum()
    assert apart.negative_histogram[5] == apart.negatives.sum()
