r"""Every fast path against its naive form: values and gradients, on every kind of layout."""

from copy import deepcopy
from dataclasses import replace
from unittest import mock

import pytest
import torch
import torch.nn.functional as F

from ecgan import Discriminator, Generator, ModelConfig, preset
from ecgan.data import toy
from ecgan.fast.neighbourhoods import WORTHWHILE, find, number
from ecgan.method.discriminator import judge
from ecgan.method.generator import WIDE
from ecgan.method.layers import Convolution, channels_last, convolution
from ecgan.method.layouts import instance_boundaries, one_hot
from ecgan.method.layouts import semantics as make_semantics
from ecgan.method.spade import SPADE, LayoutPyramid
from ecgan.training import Trainer, toy_batches
from support.networks import awake

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
SIDE = 32


def rectangles(batch: int, classes: int) -> torch.Tensor:
    r"""Regions with straight and slanted borders and a few lone pixels, as photographs have."""
    labels = torch.zeros(batch, SIDE, SIDE, dtype=torch.long)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    for one in labels:
        for _ in range(4):
            top, left = torch.randint(SIDE - 8, (2,)).tolist()
            one[top : top + 14, left : left + 11] = torch.randint(classes, ())
        one[2 * y + x < torch.randint(20, 50, ())] = torch.randint(classes, ())
        one[torch.randint(SIDE, ()), torch.randint(SIDE, ())] = torch.randint(classes, ())
    return labels


LAYOUTS = {
    "toy": lambda batch, classes: toy.scenes(batch, height=64, width=64, seed=5).labels[
        :, 32:, 32:
    ],
    "regions": rectangles,
    "one class": lambda batch, classes: torch.full((batch, SIDE, SIDE), classes - 1),
    "noise": lambda batch, classes: torch.randint(classes, (batch, SIDE, SIDE)),
}


def semantics(kind: str, *, batch: int, classes: int, instances: bool) -> torch.Tensor:
    labels = LAYOUTS[kind](batch, classes)
    layout = one_hot(labels, classes=classes)
    if not instances:
        return layout
    things = labels * 10 + (torch.arange(SIDE) > SIDE // 2).long()
    return torch.cat([layout, instance_boundaries(things)], dim=1)


def assert_equal(found, expected, inputs, dtype) -> None:
    r"""Values and gradients, as whole tensors, relative to the largest of each."""
    probe = torch.randn_like(expected)
    gradients = (
        torch.autograd.grad((maps * probe).sum(), inputs, retain_graph=True)
        for maps in (found, expected)
    )
    pairs = [(found, expected), *zip(*gradients, strict=True)]
    for one, other in pairs:
        error = (one - other).abs().max() / other.abs().max().clamp(min=1e-3)
        assert error < TOLERANCE[dtype]


each_layout = pytest.mark.parametrize("kind", LAYOUTS)
each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


@each_layout
@each_dtype
@pytest.mark.parametrize(("batch", "instances"), [(1, True), (3, False)])
def test_modulation_once_for_each_neighbourhood(kind, dtype, batch, instances):
    torch.manual_seed(2)
    layout = semantics(kind, batch=batch, classes=9, instances=instances).to(dtype)
    config = ModelConfig(classes=9, instance_boundaries=instances, spade_hidden=12)
    spade = awake(SPADE(6, config=config)).to(dtype)
    x = torch.randn(batch, 6, SIDE, SIDE, dtype=dtype, requires_grad=True)
    fast, dense = LayoutPyramid(layout), LayoutPyramid(layout, gather=False)
    assert (fast.neighbourhoods(SIDE, SIDE) is None) == (kind == "noise")
    assert dense.neighbourhoods(SIDE, SIDE) is None
    assert_equal(spade(x, fast), spade(x, dense), [x, *spade.parameters()], dtype)


@each_layout
def test_noise_or_not_the_neighbourhoods_are_the_layout(kind, monkeypatch):
    r"""Also where they do not pay: the convolution of the looked-up layout is the layout's."""
    monkeypatch.setattr("ecgan.fast.neighbourhoods.WORTHWHILE", 1)
    layout = semantics(kind, batch=2, classes=9, instances=True).double()
    distinct = find(layout)
    weight = torch.randn(5, 10, 3, 3, dtype=torch.float64, requires_grad=True)
    dense = F.conv2d(layout, weight, padding=1)
    assert_equal(distinct.convolve(weight), dense, [weight], torch.float64)
    if kind == "noise":
        assert len(distinct.small.entries) > WORTHWHILE * layout[:, 0].numel()


@each_dtype
@pytest.mark.parametrize("kind", ["toy", "regions", "one class"])
def test_wide_layouts_are_looked_up_by_the_semantic_preserving_module(kind, dtype, monkeypatch):
    config = ModelConfig(
        classes=WIDE, instance_boundaries=True, height=SIDE, width=SIDE, base_channels=4,
        spade_hidden=6,
    )  # fmt: skip
    layout = semantics(kind, batch=2, classes=WIDE, instances=True).to(dtype)
    generator = awake(Generator(config)).to(dtype).eval()
    stack = torch.randn(2, 4 + 6, SIDE, SIDE, dtype=dtype, requires_grad=True)
    module, distinct = generator.semantic_preserving, find(layout)
    fast, fast_maps, _ = module(stack, distinct)
    naive, maps, _ = module(torch.cat([stack, layout], dim=1))
    assert_equal(fast_maps, maps, [stack, *module.to_classes.parameters()], dtype)
    torch.testing.assert_close(fast, naive, rtol=0, atol=TOLERANCE[dtype])
    # and the whole generator takes that way, for it never convolves the layout there
    looked_up = generator(layout).final
    monkeypatch.setattr("ecgan.method.generator.WIDE", WIDE + 1)
    torch.testing.assert_close(generator(layout).final, looked_up, rtol=0, atol=1e-5)


@each_dtype
@pytest.mark.parametrize("pictures", [1, 3])
def test_the_discriminator_reads_a_layout_once(dtype, pictures):
    config = ModelConfig(classes=9, height=SIDE, width=SIDE, base_channels=4)
    discriminator = awake(Discriminator(config)).to(dtype).eval()
    layout = semantics("regions", batch=3, classes=9, instances=False).to(dtype)
    shown = {
        str(index): torch.randn(3, 3, SIDE, SIDE, dtype=dtype, requires_grad=True)
        for index in range(pictures)
    }
    found = judge(discriminator, discriminator.read(layout), shown)
    for name, picture in shown.items():
        x = torch.cat([layout, picture], dim=1)
        small = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        for scale, maps, seen in zip(discriminator.scales, found[name], (x, small), strict=True):
            expected = scale(seen)
            inputs = [picture, *scale.parameters()]
            assert_equal(maps[-1], expected[-1], inputs, dtype)


def test_recomputing_the_modulation_changes_nothing_but_memory():
    config = preset("toy")
    small = replace(config.model, height=SIDE, width=SIDE, base_channels=4, max_channels=8)
    losses = replace(
        config.losses, perceptual=0, similarity=0, cross_entropy=0, contrastive=0, class_specific=0
    )
    config = replace(config, model=small, losses=losses, data=replace(config.data, images=8))
    kept = {}
    states = []
    for recompute in (False, True):
        trainer = Trainer(config=config, recompute=recompute)
        batches = toy_batches(config)
        sizes = {}

        def keep(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            trainer.generator(next(batches).semantics)
        kept[recompute] = sum(sizes.values())
        trainer.step(next(batches))
        states.append(trainer.generator.state_dict())
    assert all(torch.equal(one, other) for one, other in zip(*map(dict.values, states)))
    assert kept[True] < 0.9 * kept[False]


def test_numbers_fit_in_64_bits_however_many_kinds_there_are():
    r"""Three digits of base 3 million would need 65 bits as one number."""
    base = 3_000_000
    digits = [torch.tensor([[[base - 1, 5, base - 1, 0]]]) for _ in range(3)]
    digits[2] = torch.tensor([[[base - 1, 5, base - 2, 0]]])
    numbers, count = number(*digits, base=base)
    assert count == 4
    assert numbers.flatten().tolist() == [3, 1, 2, 0]


@each_dtype
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("few_pixels", [0, 2 * 5 * 3])
@pytest.mark.parametrize(
    "shape",
    [{"kernel": 3}, {"kernel": 1, "bias": False}, {"kernel": 4, "stride": 2, "padding": 2}],
    ids=str,
)
@pytest.mark.parametrize("spectral", [True, False])
def test_heavy_weights(dtype, training, few_pixels, shape, spectral, monkeypatch):
    r"""Also twice in a row: the first pass's gradient outlives the second's power iteration."""
    torch.manual_seed(3)
    conv = convolution(12, 10, spectral=spectral, **shape).to(dtype)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_()
    naive = deepcopy(conv)
    naive.is_heavy_for = lambda x: False
    x = channels_last(torch.randn(2, 12, 5, 3, dtype=dtype)).requires_grad_()
    conv.train(training), naive.train(training)
    for name, value in {"HEAVY": 0, "FEW": 0, "FEW_PIXELS": few_pixels}.items():
        monkeypatch.setattr(f"ecgan.method.layers.{name}", value)
    ways = {
        way: mock.create_autospec(getattr(Convolution, way), side_effect=getattr(Convolution, way))
        for way in ("product_of_patches", "largest_singular_value")
    }
    for way, spy in ways.items():
        monkeypatch.setattr(Convolution, way, spy)
    expected = naive(x) + naive(2 * x)
    assert not any(spy.called for spy in ways.values())
    found = conv(x) + conv(2 * x)
    assert ways["product_of_patches"].called == bool(few_pixels)
    assert ways["largest_singular_value"].called == spectral
    probe = torch.randn_like(expected)
    mine = torch.autograd.grad((found * probe).sum(), [x, *conv.parameters()])
    other = torch.autograd.grad((expected * probe).sum(), [x, *naive.parameters()])
    states = [module.state_dict().values() for module in (conv, naive)]
    for one, two in [(found, expected), *zip(mine, other), *zip(*states)]:
        error = (one - two).abs().max() / two.abs().max().clamp(min=1e-3)
        assert error < TOLERANCE[dtype]


def test_light_weights_and_large_maps_are_convolved():
    r"""So the toy networks, with weights that fit into a cache, compute as they always did."""
    light, heavy = (convolution(n, n, spectral=True) for n in (128, 512))
    assert not light.is_heavy_for(torch.ones(1, 128, 2, 2))
    assert heavy.is_heavy_for(torch.ones(1, 512, 16, 16))
    assert not heavy.is_heavy_for(torch.ones(1, 512, 64, 64))
    assert not heavy.is_heavy_for(torch.ones(1, 512, 16, 16, device="meta"))
    assert convolution(512, 512).is_heavy_for(torch.ones(1, 512, 16, 16))


def test_a_layout_is_looked_up_in_16_bits_too():
    r"""The number of a pixel, up to twice the channels, must not be rounded to 8 bits."""
    columns = 296 + torch.arange(SIDE) // 8  # neighbours that 8 bits cannot tell apart
    layout = one_hot(columns.expand(1, SIDE, SIDE), classes=300)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = find(layout)
    assert torch.equal(found.vectors, find(layout).vectors)
    assert torch.equal(found.places_large.entries, find(layout).places_large.entries)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_pixels_channels_lie_side_by_side(batch):
    r"""From the layout to the last maps, also where one picture's order of memory is ambiguous."""
    classes = 2 * WIDE
    config = ModelConfig(
        classes=classes, instance_boundaries=True, height=SIDE, width=SIDE, base_channels=4,
        spade_hidden=6,
    )  # fmt: skip
    labels = rectangles(batch, classes)
    layout = make_semantics(labels, labels, config=config)
    with torch.no_grad():
        made = Generator(config).eval()(layout)
    for maps in (layout, made.features, made.first, made.class_maps, made.final):
        assert maps.is_contiguous(memory_format=torch.channels_last)


@each_layout
@each_dtype
@pytest.mark.parametrize(("batch", "instances"), [(1, True), (3, False)])
def test_normalisation_is_folded_into_the_modulation(kind, dtype, batch, instances, monkeypatch):
    torch.manual_seed(6)
    # So that there is more than one part.
    monkeypatch.setattr("ecgan.fast.neighbourhoods.CACHED", 1000)
    monkeypatch.setattr("ecgan.fast.neighbourhoods.WORTHWHILE", 1)  # and noise is looked up too
    layout = semantics(kind, batch=batch, classes=9, instances=instances).to(dtype)
    config = ModelConfig(classes=9, instance_boundaries=instances, spade_hidden=6)
    spade = awake(SPADE(5, config=config)).to(dtype)
    spade.normalise.running_mean.normal_()
    spade.normalise.running_var.uniform_(0.5, 2)
    spade.eval()
    x = torch.randn(batch, 5, SIDE, SIDE, dtype=dtype)
    assert not spade.folds()  # a gradient may be asked for
    with torch.no_grad():
        assert spade.folds()
        assert not spade.train().folds()
        found = spade.eval()(x, LayoutPyramid(layout))
        monkeypatch.setattr(SPADE, "_folded", None)
        expected = spade(x, LayoutPyramid(layout, gather=False))
    error = (found - expected).abs().max() / expected.abs().max()
    assert error < TOLERANCE[dtype]


def test_a_pixel_that_is_no_label_is_found_wherever_it_lies(monkeypatch):
    monkeypatch.setattr("ecgan.fast.neighbourhoods.CACHED", 9 * SIDE)  # a row of pixels at a time
    layout = semantics("regions", batch=1, classes=9, instances=False)
    assert find(layout) is not None
    for row in (0, SIDE // 2, SIDE - 1):
        other = layout.clone()
        other[0, 0, row, -1] += 1  # its number is the same, for the first class counts as 0
        assert find(other) is None


def test_a_layout_that_needs_gradients_or_is_soft_is_convolved():
    layout = semantics("regions", batch=1, classes=9, instances=False)
    assert LayoutPyramid(layout).neighbourhoods(SIDE, SIDE) is not None
    for other in (layout.clone().requires_grad_(), layout * 0.5 + 0.01, -layout):
        assert LayoutPyramid(other).neighbourhoods(SIDE, SIDE) is None
