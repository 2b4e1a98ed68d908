r"""Every accelerated part against the method's own: values and gradients, all kinds of layout."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecgan import Discriminator, Generator, ModelConfig, preset
from ecgan.data import toy
from ecgan.fast import accelerate, accelerated, convolutions, is_accelerated, plain
from ecgan.fast import spade as fast_spade
from ecgan.fast.known_layout import KnownLayout, Pyramid
from ecgan.fast.memory_order import channels_last
from ecgan.fast.neighbourhoods import WORTHWHILE, find, number
from ecgan.fast.semantic_preserving import WIDE
from ecgan.method.layers import convolution
from ecgan.method.layouts import instance_boundaries, one_hot
from ecgan.method.layouts import semantics as make_semantics
from ecgan.method.semantic_preserving import SemanticPreservingModule
from ecgan.method.spade import SPADE, SPADEResBlock
from support.networks import CONFIG, awake, random_semantics

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


def assert_near(one: torch.Tensor, other: torch.Tensor, dtype: torch.dtype) -> None:
    r"""Equal as whole tensors, relative to the largest value."""
    error = (one - other).abs().max() / other.abs().max().clamp(min=1e-3)
    assert error < TOLERANCE[dtype]


def gradients(result: torch.Tensor, probe: torch.Tensor, inputs) -> tuple:
    return torch.autograd.grad((result * probe).sum(), inputs, retain_graph=True)


def assert_equal(found, found_inputs, expected, expected_inputs, dtype) -> None:
    r"""Values, and gradients of a random probe."""
    probe = torch.randn_like(expected)
    ours, theirs = (
        gradients(found, probe, found_inputs),
        gradients(expected, probe, expected_inputs),
    )
    for one, other in [(found, expected), *zip(ours, theirs, strict=True)]:
        assert_near(one, other, dtype)


def twins(network: nn.Module, dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
    r"""An accelerated copy, and the network as the method says."""
    network = awake(network).to(dtype)
    return accelerate(deepcopy(network)), network


each_layout = pytest.mark.parametrize("kind", LAYOUTS)
each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


# What acceleration is: other ways for the same network.


def test_an_accelerated_network_keeps_its_keys_class_and_weights():
    network = Generator(CONFIG)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert accelerate(network) is network
    assert is_accelerated(network)
    assert type(network) is Generator
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_plain_and_accelerated_last_as_long_as_they_are_wanted():
    network = Generator(CONFIG)
    with accelerated(network):
        assert is_accelerated(network)
        with plain(network):
            assert not is_accelerated(network)
        assert is_accelerated(network)
    assert not is_accelerated(network)
    with pytest.raises(KeyError), accelerated(network):
        raise KeyError
    assert not is_accelerated(network)
    accelerate(network)
    with accelerated(network):
        pass
    assert is_accelerated(network)  # it was before


def test_a_copy_is_quick_by_its_own_weights():
    network = accelerate(awake(Generator(CONFIG)).eval())
    copy, layout = deepcopy(network), random_semantics()
    assert is_accelerated(copy)
    nn.init.zeros_(network.semantic_preserving.to_image.weight)
    nn.init.zeros_(network.semantic_preserving.to_image.bias)
    with torch.no_grad():
        assert network(layout).final.abs().max() == 0
        assert copy(layout).final.abs().max() > 0.1


def test_a_recorded_graph_is_that_of_the_method(monkeypatch):
    network = accelerate(awake(SPADE(6, config=CONFIG)).eval())

    def too_late(*_, **__):
        raise AssertionError("the quick way was recorded")

    x, layout = torch.randn(1, 6, 8, 8), random_semantics(batch=1)
    expected = network(x, layout)
    monkeypatch.setattr(Pyramid, "neighbourhoods", too_late)
    with pytest.raises(AssertionError, match="the quick way"):
        network(x, layout)
    recorded = torch.jit.trace(network, (x, layout), check_trace=False)
    torch.testing.assert_close(recorded(x, layout), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["regions", "noise"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("instances", [True, False])
def test_the_whole_generator(kind, training, instances):
    config = replace(CONFIG, classes=9, instance_boundaries=instances, height=SIDE, width=SIDE)
    quick, slow = twins(Generator(config), torch.float64)
    layout = semantics(kind, batch=2, classes=9, instances=instances).double()
    quick.train(training), slow.train(training)
    found, expected = quick(layout), slow(layout)
    for name in ("edge", "first", "final", "class_maps", "gates"):
        assert_near(getattr(found, name), getattr(expected, name), torch.float64)
    inputs = [list(network.parameters()) for network in (quick, slow)]
    probe = torch.randn_like(expected.final)
    ours, theirs = (
        gradients(made.final, probe, own) for made, own in zip((found, expected), inputs)
    )
    whole = [torch.cat([g.flatten() for g in parts]) for parts in (ours, theirs)]
    assert_near(*whole, torch.float64)


def test_any_size_that_the_doublings_allow():
    quick, slow = twins(Generator(CONFIG).eval(), torch.float32)
    layout = one_hot(torch.randint(4, (1, 96, 160)), classes=4)
    with torch.no_grad():
        found, expected = quick(layout), slow(layout)
    assert expected.final.shape == (1, 3, 96, 160)
    torch.testing.assert_close(found.final, expected.final, rtol=1e-4, atol=1e-5)


# Its parts.


@each_layout
@each_dtype
@pytest.mark.parametrize(("batch", "instances"), [(1, True), (3, False)])
def test_modulation_once_for_each_neighbourhood(kind, dtype, batch, instances):
    torch.manual_seed(2)
    layout = semantics(kind, batch=batch, classes=9, instances=instances).to(dtype)
    config = ModelConfig(classes=9, instance_boundaries=instances, spade_hidden=12)
    quick, slow = twins(SPADE(6, config=config), dtype)
    x = torch.randn(batch, 6, SIDE, SIDE, dtype=dtype, requires_grad=True)
    assert (Pyramid(layout).neighbourhoods(SIDE, SIDE) is None) == (kind == "noise")
    assert_equal(
        quick(x, layout), [x, *quick.parameters()], slow(x, layout), [x, *slow.parameters()], dtype
    )


@each_layout
def test_noise_or_not_the_neighbourhoods_are_the_layout(kind, monkeypatch):
    r"""Also where they do not pay: the convolution of the looked-up layout is the layout's."""
    monkeypatch.setattr("ecgan.fast.neighbourhoods.WORTHWHILE", 1)
    layout = semantics(kind, batch=2, classes=9, instances=True).double()
    distinct = find(layout)
    weight = torch.randn(5, 10, 3, 3, dtype=torch.float64, requires_grad=True)
    dense = F.conv2d(layout, weight, padding=1)
    assert_equal(distinct.convolve(weight), [weight], dense, [weight], torch.float64)
    if kind == "noise":
        assert len(distinct.small.entries) > WORTHWHILE * layout[:, 0].numel()


@each_dtype
@pytest.mark.parametrize("kind", ["toy", "regions", "one class"])
def test_wide_layouts_are_looked_up_by_the_semantic_preserving_module(kind, dtype, monkeypatch):
    layout = semantics(kind, batch=2, classes=WIDE, instances=True).to(dtype)
    module = SemanticPreservingModule(channels=10 + WIDE + 1, classes=WIDE)
    quick, slow = twins(module, dtype)
    parts = [torch.randn(2, c, SIDE, SIDE, dtype=dtype, requires_grad=True) for c in (4, 3, 3)]
    asked = []
    monkeypatch.setattr(KnownLayout, "of", lambda _, given: asked.append(given) or Pyramid(given))
    image, maps, gates = quick(*parts, layout)
    assert asked == [layout]
    expected = slow(*parts, layout)
    inputs = [[*parts, *module.to_classes.parameters()] for module in (quick, slow)]
    assert_equal(maps, inputs[0], expected[1], inputs[1], dtype)
    assert_near(image, expected[0], dtype)
    assert_near(gates, expected[2], dtype)


def test_a_narrow_layout_is_convolved():
    module = SemanticPreservingModule(channels=10 + WIDE, classes=WIDE)
    quick, slow = twins(module, torch.float64)
    layout = semantics("regions", batch=1, classes=WIDE, instances=False).double()
    stack = torch.randn(1, 10, SIDE, SIDE, dtype=torch.float64)
    for parts in ((stack, layout), (torch.cat([stack, layout], dim=1),)):
        assert_near(quick(*parts)[0], slow(stack, layout)[0], torch.float64)


@each_dtype
@pytest.mark.parametrize("pictures", [1, 3])
def test_pictures_are_judged_together_and_the_layout_read_once(dtype, pictures, monkeypatch):
    config = ModelConfig(classes=9, height=SIDE, width=SIDE, base_channels=4)
    quick, slow = twins(Discriminator(config).eval(), dtype)
    layout = semantics("regions", batch=3, classes=9, instances=False).to(dtype)
    shown = {
        str(index): torch.randn(3, 3, SIDE, SIDE, dtype=dtype, requires_grad=True)
        for index in range(pictures)
    }
    real, read = F.conv2d, []
    monkeypatch.setattr(F, "conv2d", lambda x, *a, **k: read.append(x.shape[1]) or real(x, *a, **k))
    found = quick.discriminate(layout, shown)
    assert read.count(9) == 2  # once a scale
    monkeypatch.setattr(F, "conv2d", real)
    expected = slow.discriminate(layout, shown)
    for name, picture in shown.items():
        for place, (ours, theirs) in enumerate(zip(found[name], expected[name], strict=True)):
            inputs = [[picture, *one.scales[place].parameters()] for one in (quick, slow)]
            for layer, value in zip(ours, theirs, strict=True):
                assert_near(layer, value, dtype)
            assert_equal(ours[-1], inputs[0], theirs[-1], inputs[1], dtype)


def test_recomputing_the_modulation_changes_nothing_but_memory():
    config = replace(preset("toy").model, height=SIDE, width=SIDE, base_channels=4, max_channels=8)
    layout = semantics("regions", batch=2, classes=9, instances=False)
    kept, found = {}, []
    for recompute in (False, True):
        torch.manual_seed(1)
        generator, sizes = accelerate(awake(Generator(config)), recompute=recompute), {}

        def keep(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            made = generator(layout)
        kept[recompute] = sum(sizes.values())
        made.final.square().sum().backward()
        found.append([p.grad for p in generator.parameters()] + [made.final])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
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
    slow = convolution(12, 10, spectral=spectral, **shape).to(dtype)
    with torch.no_grad():
        for parameter in slow.parameters():
            parameter.normal_()
    quick = accelerate(deepcopy(slow))
    x = channels_last(torch.randn(2, 12, 5, 3, dtype=dtype)).requires_grad_()
    quick.train(training), slow.train(training)
    for name, value in {"HEAVY": 0, "FEW": 0, "FEW_PIXELS": few_pixels}.items():
        monkeypatch.setattr(convolutions, name, value)
    called = set()
    for name in ("product_of_patches", "largest_singular_value"):
        way = getattr(convolutions, name)
        monkeypatch.setattr(
            convolutions, name, lambda *a, name=name, way=way: called.add(name) or way(*a)
        )
    expected = slow(x) + slow(2 * x)
    assert not called
    found = quick(x) + quick(2 * x)
    assert ("product_of_patches" in called) == bool(few_pixels)
    assert ("largest_singular_value" in called) == spectral
    assert_equal(found, [x, *quick.parameters()], expected, [x, *slow.parameters()], dtype)
    for one, two in zip(quick.state_dict().values(), slow.state_dict().values(), strict=True):
        assert_near(one, two, dtype)


def test_light_weights_and_large_maps_are_convolved():
    light, heavy = (convolution(n, n, spectral=True) for n in (128, 512))
    assert not convolutions.is_heavy_for(light, torch.ones(1, 128, 2, 2))
    assert convolutions.is_heavy_for(heavy, torch.ones(1, 512, 16, 16))
    assert not convolutions.is_heavy_for(heavy, torch.ones(1, 512, 64, 64))
    assert not convolutions.is_heavy_for(heavy, torch.ones(1, 512, 16, 16, device="meta"))
    assert convolutions.is_heavy_for(convolution(512, 512), torch.ones(1, 512, 16, 16))


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
    r"""From features to the last maps, also where one picture's order is ambiguous."""
    classes = 2 * WIDE
    config = ModelConfig(
        classes=classes, instance_boundaries=True, height=SIDE, width=SIDE, base_channels=4,
        spade_hidden=6,
    )  # fmt: skip
    labels = rectangles(batch, classes)
    layout = make_semantics(labels, labels, config=config)
    with torch.no_grad():
        made = accelerate(Generator(config)).eval()(layout)
    for maps in (made.features, made.first, made.class_maps, made.final):
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
    quick, slow = twins(SPADE(5, config=config), dtype)
    for spade in (quick, slow):
        generator = torch.Generator().manual_seed(1)
        spade.normalise.running_mean.normal_(generator=generator)
        spade.normalise.running_var.uniform_(0.5, 2, generator=generator)
        spade.eval()
    x = torch.randn(batch, 5, SIDE, SIDE, dtype=dtype)
    assert not fast_spade.folds(quick)  # a gradient may be asked for
    with torch.no_grad():
        assert fast_spade.folds(quick)
        assert not fast_spade.folds(quick.train())
        quick.eval()
        monkeypatch.setattr(fast_spade, "_modulated", None)  # for it must not be needed
        assert_near(quick(x, layout), slow(x, layout), dtype)


def test_the_block_writes_over_no_map_that_is_needed():
    block = SPADEResBlock(channels_in=6, channels_out=6, config=CONFIG).eval()
    quick, slow = twins(block, torch.float64)
    x = torch.randn(2, 6, 16, 32, dtype=torch.float64, requires_grad=True)
    before, layout = x.detach().clone(), random_semantics().double()
    found = quick(x, layout)
    assert torch.equal(x, before)
    inputs = [[x, *block.parameters()] for block in (quick, slow)]
    assert_equal(found, inputs[0], slow(x, layout), inputs[1], torch.float64)


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
    assert Pyramid(layout).neighbourhoods(SIDE, SIDE) is not None
    for other in (layout.clone().requires_grad_(), layout * 0.5 + 0.01, -layout):
        assert Pyramid(other).neighbourhoods(SIDE, SIDE) is None


@pytest.mark.parametrize("gather", [True, False])
def test_distinct_neighbourhoods_are_looked_for_or_not_as_asked(gather):
    layout = semantics("regions", batch=1, classes=9, instances=False)
    generator = awake(Generator(replace(CONFIG, classes=9))).eval()
    expected = generator(layout).final
    accelerate(generator, gather=gather)
    known = generator.forward.args[2].keywords["known"]
    made = generator(layout).final
    with known.given(layout):
        assert (known.of(layout).neighbourhoods(SIDE, SIDE) is not None) == gather
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)


def test_the_pyramid_resizes_once_and_is_forgotten_after_the_pass():
    layout, known = torch.randn(1, 3, 8, 8), KnownLayout()
    with known.given(layout):
        pyramid = known.of(layout)
        assert torch.equal(pyramid.at(8, 8), layout)
        assert torch.equal(pyramid.at(4, 2), layout[:, :, ::2, ::4])
        assert known.of(layout) is pyramid
        assert known.of(layout).at(4, 2) is pyramid.at(4, 2)
        assert known.of(layout.clone()) is not pyramid
    assert known.of(layout) is not pyramid
