r"""Which pixels meet: balanced draws, layouts, scales and the memory bank."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ecgan.method.losses.contrastive import info_nce, unit
from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.method.losses.pixel_contrast import PixelContrast, ProjectionHead, resize_labels
from ecgan.method.losses.sampling import MemoryBank, rank_in_class, sample_balanced

DOUBLE = torch.float64


def batch(b=3, c=5, h=6, w=4, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(b, c, h, w, generator=generator, dtype=DOUBLE)
    labels = torch.randint(classes, (b, h, w), generator=generator)
    labels[0, 0] = 255
    return features.requires_grad_(), labels


def everything(**settings):
    r"""Every pixel against every other, the features as embeddings: no randomness left."""
    return PixelContrast(**({"channels": 5, "dim": None, "per_class": None} | settings))


def flat(features, labels):
    return features.movedim(1, -1).flatten(0, 2), labels.flatten()


def test_rank_in_class():
    rank, size = rank_in_class(torch.tensor([3, 1, 3, 3, 0, 1]))
    assert rank.tolist() == [0, 0, 1, 2, 0, 1]
    assert size.tolist() == [3, 2, 3, 3, 1, 2]
    assert rank_in_class(torch.zeros(0, dtype=torch.long))[0].shape == (0,)


def test_draws_are_balanced_distinct_and_never_ignored():
    labels = torch.zeros(2, 16, 16, dtype=torch.long)
    labels[0, :8] = 1
    labels[1, 3, 3] = 2  # a class of one pixel
    labels[1, 4:] = 255
    for _ in range(20):
        pixels, valid = sample_balanced(labels, per_class=10)
        assert pixels.shape == valid.shape == (512,)
        drawn = pixels[valid]
        assert len(drawn.unique()) == len(drawn)
        assert torch.bincount(labels.flatten()[drawn]).tolist() == [10, 10, 1]
    everything = sample_balanced(labels, per_class=None)
    assert torch.equal(everything.pixels, torch.arange(512))
    assert torch.equal(everything.valid, labels.flatten() != 255)
    assert torch.equal(everything.chosen, everything.pixels[everything.valid])


def test_the_number_of_places_depends_on_no_label():
    for labels in (torch.full((2, 16, 16), 255), torch.zeros(2, 16, 16, dtype=torch.long)):
        for most, places in ((None, 512), (100, 100), (1000, 512)):
            drawn = sample_balanced(labels, per_class=10, most=most)
            assert drawn.pixels.shape == drawn.valid.shape == (places,)
            assert len(drawn.chosen) == (10 if labels.max() == 0 else 0)


def test_draws_are_uniform_within_a_class_over_all_layouts():
    labels = torch.zeros(2, 3, 4, dtype=torch.long)
    labels[0, 0, :2] = 1
    counts, draws = torch.zeros(24), 2000
    for _ in range(draws):
        counts[sample_balanced(labels, per_class=5).chosen] += 1
    expected = torch.where(labels.flatten() == 1, 1.0, 5 / 22) * draws
    assert torch.equal(counts[:2], expected[:2])
    error = (draws * 5 / 22 * 17 / 22) ** 0.5
    assert (counts - expected).abs().max() < 4.5 * error


def test_most_is_dealt_a_class_at_a_time():
    labels = torch.arange(64).reshape(1, 8, 8) % 8
    labels[0, 7, 7] = 9  # a class of one pixel
    last = torch.zeros(10)
    for _ in range(200):
        drawn = sample_balanced(labels, per_class=8, most=21).chosen
        counts = torch.bincount(labels.flatten()[drawn], minlength=10)
        assert counts.sum() == 21
        assert counts[9] == 1
        assert set(counts[:8].tolist()) == {2, 3}  # the last round reaches four of the eight
        last += counts == 3
    assert (last[:8] - 100).abs().max() < 4.5 * 50**0.5
    few = sample_balanced(labels, per_class=1, most=20)
    assert torch.bincount(labels.flatten()[few.chosen]).tolist() == [1] * 8 + [0, 1]


def test_draws_repeat_with_their_generator():
    _, labels = batch()
    first, again, other = (
        sample_balanced(labels, per_class=3, generator=torch.Generator().manual_seed(seed)).chosen
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_nothing_to_draw_and_nothing_asked():
    assert len(sample_balanced(torch.full((1, 2, 2), 255), per_class=3).chosen) == 0
    with pytest.raises(ValueError, match="per_class 0"):
        sample_balanced(torch.zeros(1, 2, 2, dtype=torch.long), per_class=0)


def test_all_pixels_equal_the_core():
    features, labels = batch()
    found, expected = everything()(features, labels), info_nce(*flat(features, labels))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    for a, b in zip(
        torch.autograd.grad(found, features), torch.autograd.grad(expected, features), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_any_integer_labels(dtype):
    features, labels = batch()
    value = everything()(features, labels).item()
    assert everything()(features, labels.to(dtype)).item() == value


def test_within_a_layout_positives_and_negatives_are_its_own():
    features, labels = batch()
    layouts = torch.arange(3).repeat_interleave(24)
    expected = info_nce(*flat(features, labels), allowed=layouts[:, None] == layouts)
    found = everything(across_layouts=False)(features, labels)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    assert found.item() != pytest.approx(everything()(features, labels).item(), rel=1e-3)
    # One layout's features move no other layout's gradient.
    moved = features.detach().clone()
    moved[2] = torch.randn(5, 6, 4, dtype=DOUBLE)
    grads = []
    for maps in (features, moved.requires_grad_()):
        loss = everything(across_layouts=False)(maps, labels)
        grads.append(torch.autograd.grad(loss, maps)[0][:2])
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("together", [1, 2, 3])
def test_together_only_the_layouts_of_a_group_meet(together):
    features, labels = batch()
    groups = torch.arange(3).repeat_interleave(24) // together
    expected = info_nce(*flat(features, labels), allowed=groups[:, None] == groups)
    found = everything(together=together)(features, labels)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    ends = {1: everything(across_layouts=False), 3: everything()}
    if together in ends:
        torch.testing.assert_close(found, ends[together](features, labels))


@pytest.mark.parametrize(
    "settings",
    [
        {"together": 0},
        {"together": 2, "across_layouts": False},
        {"together": 2, "memory_per_class": 3, "classes": 4},
    ],
)
def test_together_makes_groups_of_the_batch_alone(settings):
    with pytest.raises(ValueError, match="groups of 1 layout or more"):
        PixelContrast(channels=5, **settings)


@pytest.mark.parametrize("across_layouts", [True, False])
def test_order_of_pixels_and_layouts_is_nothing(across_layouts):
    features, labels = batch()
    contrast = everything(across_layouts=across_layouts)
    value = contrast(features, labels).item()
    layouts = torch.tensor([1, 2, 0])
    assert contrast(features[layouts], labels[layouts]).item() == pytest.approx(value, rel=1e-10)
    order = torch.randperm(24)
    turned = features.flatten(2)[:, :, order].unflatten(2, (6, 4))
    moved = labels.flatten(1)[:, order].unflatten(1, (6, 4))
    assert contrast(turned, moved).item() == pytest.approx(value, rel=1e-10)


def test_more_keys_come_closer_to_all_keys():
    r"""Random queries, all pixels as keys: the mean over draws is each class's mean loss."""
    features, labels = batch(b=2, h=8, w=8)
    allowed = ~torch.eye(128, dtype=torch.bool)
    x, ids = flat(features, labels)
    per_class = [
        info_nce(x[ids == k], ids[ids == k], x, ids, allowed=allowed[ids == k]) for k in range(4)
    ]
    expected = (sum(per_class) / 4).item()
    contrast = PixelContrast(channels=5, dim=None, per_class=4, keys_per_class=1000)
    with torch.no_grad():
        values = torch.stack([contrast(features, labels) for _ in range(300)])
    assert values.mean().item() == pytest.approx(expected, abs=4 * values.std().item() / 300**0.5)
    assert values.std() > 0
    fewer = PixelContrast(channels=5, dim=None, per_class=4, keys_per_class=3)
    with torch.no_grad():
        rough = torch.stack([fewer(features, labels) for _ in range(300)])
    assert abs(rough.mean().item() - expected) > 0.2  # fewer negatives: a smaller loss


def test_queries_never_meet_themselves_among_drawn_keys():
    features, labels = batch()
    contrast = PixelContrast(channels=5, dim=None, per_class=3, keys_per_class=1000, classes=4)
    ((queries, keys, allowed, _),) = contrast.pools(features, labels)
    assert (len(queries.pixels), len(keys.pixels)) == (4 * 3, 72)
    assert (allowed.sum(1) == len(keys.pixels) - 1).all()
    assert torch.equal(queries.pixels, keys.pixels[(~allowed).nonzero()[:, 1]])


def test_a_class_of_a_single_pixel_is_pushed_by_the_others():
    features, labels = batch()
    labels[:] = 0
    labels[1, 2, 3] = 3
    labels[:, 4:] = 1
    contrast = PixelContrast(channels=5, dim=None, per_class=2)
    (grad,) = torch.autograd.grad(contrast(features, labels), features)
    assert grad[1, :, 2, 3].any()


def test_projection_of_drawn_pixels_is_projection_of_the_map():
    features, labels = batch()
    head = ProjectionHead(channels=5, dim=7).double()
    drawn = head.project(features.movedim(1, -1)[labels == 2])
    torch.testing.assert_close(drawn, head(features).movedim(1, -1)[labels == 2])
    contrast = PixelContrast(channels=5, dim=7, per_class=None).double()
    embeddings = flat(contrast.heads[0](features), labels)
    torch.testing.assert_close(contrast(features, labels), info_nce(*embeddings))
    contrast(features, labels).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in contrast.parameters())


@pytest.mark.parametrize(
    "labels",
    [torch.full((2, 4, 4), 255), torch.zeros(2, 4, 4, dtype=torch.long)],
    ids=["all ignored", "one class"],
)
@pytest.mark.parametrize("settings", [{}, {"memory_per_class": 4, "classes": 3}])
def test_zero_with_gradient_zero_where_undefined(labels, settings):
    features = torch.randn(2, 5, 4, 4, requires_grad=True)
    contrast = PixelContrast(channels=5, dim=8, **settings)
    for _ in range(2):  # the second time with whatever the memory holds
        features.grad = None
        loss = contrast(features, labels)
        loss.backward()
        assert loss.item() == 0
        assert not features.grad.any()
        assert not any(p.grad.any() for p in contrast.parameters())


def test_labels_are_resized_to_each_scale_by_nearest():
    _, labels = batch(h=8, w=8)
    assert torch.equal(resize_labels(labels, 4, 4), labels[:, ::2, ::2])
    assert torch.equal(resize_labels(labels, 8, 8), labels)
    doubled = labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(resize_labels(labels, 16, 16), doubled)


def two_scales():
    fine, labels = batch(h=8, w=8)
    return [torch.randn(3, 5, 4, 4, dtype=DOUBLE), fine.detach()], labels


def test_scales_apart_are_averaged():
    scales, labels = two_scales()
    found = everything(channels=[5, 5])(scales, labels)
    alone = [
        info_nce(*flat(scales[0], labels[:, ::2, ::2])),
        info_nce(*flat(scales[1], labels)),
    ]
    torch.testing.assert_close(found, sum(alone) / 2)


def test_scales_across_meet():
    scales, labels = two_scales()
    coarse, fine = flat(scales[0], labels[:, ::2, ::2]), flat(scales[1], labels)
    joined = [torch.cat(parts) for parts in zip(coarse, fine, strict=True)]
    found = everything(channels=[5, 5], cross_scale=True)(scales, labels)
    torch.testing.assert_close(found, info_nce(*joined))
    with pytest.raises(ValueError, match="set `dim`"):
        everything(channels=[5, 6], cross_scale=True)
    contrast = PixelContrast(channels=[9, 5], dim=4, cross_scale=True).double()
    scales[0] = torch.randn(3, 9, 4, 4, dtype=DOUBLE)
    contrast(scales, labels).backward()
    assert all(p.grad.any() for head in contrast.heads for p in [head.out.weight])


def test_bank_keeps_the_newest_of_each_class():
    bank = MemoryBank(classes=3, per_class=3, dim=1)
    kept = {0: [], 1: [], 2: []}
    for step in range(12):
        labels = torch.randint(3, (step % 5,)) if step else torch.tensor([1] * 7)
        values = torch.arange(len(labels)) + 10.0 * step + 1
        bank.push(values[:, None], labels)
        for value, label in zip(values.tolist(), labels.tolist(), strict=True):
            kept[label] = [*kept[label], value][-3:]
        embeddings, stored = bank.read()
        assert len(embeddings) == len(stored) == 9
        for k, expected in kept.items():
            assert sorted(embeddings[stored == k, 0].tolist()) == expected
    assert all(len(values) == 3 for values in kept.values())


def test_bank_passes_over_what_is_ignored():
    bank = MemoryBank(classes=2, per_class=2, dim=1)
    bank.push(torch.tensor([[1.0], [2], [3]]), torch.tensor([255, 1, 255]))
    embeddings, labels = bank.read()
    assert labels.tolist() == [255, 255, 1, 255]
    assert embeddings[2] == 2
    assert bank.filled.tolist() == bank.position.tolist() == [0, 1]


def test_bank_refuses_unknown_classes():
    bank = MemoryBank(classes=3, per_class=3, dim=1)
    with pytest.raises(ValueError, match=r"labels from 0 to 3, but the bank has 3 classes"):
        bank.push(torch.zeros(2, 1), torch.tensor([0, 3]))


def test_memory_serves_as_further_keys():
    features, labels = batch()
    old, old_labels = batch(seed=9)
    contrast = everything(memory_per_class=100, classes=4).double()
    assert contrast(old, old_labels).item() == pytest.approx(everything()(old, old_labels).item())
    found = contrast(features, labels)
    x, ids = flat(features, labels)
    past, past_ids = flat(old, old_labels)
    keys, key_ids = (
        torch.cat([x, past[past_ids != 255]]),
        torch.cat([ids, past_ids[past_ids != 255]]),
    )
    allowed = torch.cat([~torch.eye(72).bool(), torch.ones(72, len(keys) - 72).bool()], 1)
    expected = info_nce(x, ids, keys, key_ids, allowed=allowed)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    found.backward()
    assert old.grad is None  # what is remembered is detached
    stored, classes = contrast.banks[0].read()
    stored, classes = stored[classes != 255], classes[classes != 255]
    assert len(stored) == (labels != 255).sum() + (old_labels != 255).sum()
    torch.testing.assert_close(stored.norm(dim=1), torch.ones(len(stored), dtype=DOUBLE))
    for k in range(4):
        newest = unit(x[ids == k]).detach()
        assert (torch.cdist(newest, stored[classes == k]).min(1).values < 1e-6).all()


def test_memory_is_written_in_training_only_and_saved():
    features, labels = batch()
    contrast = PixelContrast(channels=5, dim=6, memory_per_class=2, classes=4).double()
    contrast.eval()(features, labels)
    assert contrast.banks[0].filled.sum() == 0
    contrast.train()
    contrast.diagnose(features, labels)
    assert contrast.banks[0].filled.sum() == 0
    contrast(features, labels)
    assert contrast.banks[0].filled.tolist() == [2] * 4
    copy = PixelContrast(channels=5, dim=6, memory_per_class=2, classes=4).double()
    copy.load_state_dict(contrast.state_dict())
    assert torch.equal(copy.banks[0].embeddings, contrast.banks[0].embeddings)
    values = [
        module(features, labels, generator=torch.Generator().manual_seed(1)).item()
        for module in (contrast, copy)
    ]
    assert values[0] == values[1]


def test_one_memory_a_scale_unless_scales_meet():
    scales, labels = two_scales()
    for cross, banks in ((False, 2), (True, 1)):
        contrast = PixelContrast(
            channels=[5, 5], dim=6, memory_per_class=3, classes=4, cross_scale=cross
        ).double()
        assert len(contrast.banks) == banks
        contrast(scales, labels)
        contrast(scales, labels).backward()
        assert all(bank.filled.eq(3).all() for bank in contrast.banks)


@pytest.mark.parametrize("settings", [{"classes": None}, {"classes": 4, "across_layouts": False}])
def test_memory_needs_classes_and_other_layouts(settings):
    with pytest.raises(ValueError, match="needs `classes`"):
        PixelContrast(channels=5, memory_per_class=3, **settings)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    features, labels = batch()
    half = (50 * features.detach()).to(dtype).requires_grad_()
    contrast = PixelContrast(channels=5, dim=16, memory_per_class=4, classes=4)
    for _ in range(2):
        with torch.autocast("cpu", dtype=dtype):
            loss = contrast(half, labels)
        (1024 * loss).backward()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert torch.isfinite(half.grad).all()
        assert half.grad.any()


def test_memory_is_queries_times_keys():
    r"""No tensor of a step has pixels squared elements: 1024 pixels, 96 queries and keys."""
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for found in out if isinstance(out, tuple | list) else [out]:
                if isinstance(found, torch.Tensor):
                    largest = max(largest, found.numel())
            return out

    features = torch.randn(1, 8, 32, 32, requires_grad=True)
    labels = torch.randint(6, (1, 32, 32))
    contrast = PixelContrast(channels=8, dim=8, per_class=16, classes=6)
    with Watch():
        contrast(features, labels).backward()
    assert largest == max(96 * 96, features.numel())


def test_diagnostics_of_a_batch():
    features, labels = batch()
    found = everything(across_layouts=False).diagnose(features, labels)[0]
    ids, layouts = labels[labels != 255], torch.arange(3).repeat_interleave(24).reshape_as(labels)
    layouts = layouts[labels != 255]
    own = layouts[:, None] == layouts
    same = ids[:, None] == ids
    assert torch.equal(found.positives, (own & same).sum(1) - 1)
    assert torch.equal(found.negatives, (own & ~same).sum(1))
    wider = everything().diagnose(features, labels)[0]
    assert (wider.negatives > found.negatives).all()


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match="must be above 0"):
        PixelContrast(channels=5, temperature=temperature)


def test_bad_features():
    features, labels = batch()
    with pytest.raises(NonFiniteLoss, match="contrastive loss"):
        everything()(features * float("inf"), labels)
    with pytest.raises(ValueError, match=r"expected 2 scale\(s\)"):
        everything(channels=[5, 5])(features, labels)
    with pytest.raises(ValueError, match=r"expected 1 scale\(s\) of one batch size"):
        everything()(features[:2], labels)
