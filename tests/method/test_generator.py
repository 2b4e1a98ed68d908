r"""The generator: what it returns, what each part does, gradients, switches, refusals."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ecgan import Generator
from ecgan.method.generator import (
    AttentionGuidedEdgeTransfer,
    EdgeGenerator,
    ImageGenerator,
    SemanticPreservingModule,
    SharedEncoder,
)
from ecgan.method.layouts import LayoutError, one_hot
from ecgan.method.spade import LayoutPyramid
from support.networks import CONFIG, awake, random_semantics

ABLATIONS = {
    "whole": {},
    "no transfer": {"edge_transfer": False},
    "no edges": {"edge_branch": False, "edge_transfer": False},
    "no preserving": {"semantic_preserving": False},
    "image branch alone": {
        "edge_branch": False,
        "edge_transfer": False,
        "semantic_preserving": False,
    },
}


@pytest.mark.parametrize("upsampling", ["normal", "more", "most"])
def test_shapes_and_ranges(upsampling):
    size = {"normal": 32, "more": 64, "most": 128}[upsampling]
    config = replace(CONFIG, upsampling=upsampling, height=size, width=2 * size)
    generator = awake(Generator(config))
    made = generator(random_semantics(config))
    for picture in (made.edge, made.first, made.final):
        assert picture.shape == (2, 3, size, 2 * size)
    assert made.edge.abs().max() <= 1
    assert made.final.abs().max() <= 1
    assert 1 < made.first.abs().max() <= 1 + torch.tensor(1.0).sigmoid()
    assert made.features.shape[1] == config.feature_channels == (2 if upsampling == "most" else 4)
    assert made.features is made.scales[-1]
    sizes = [scale.shape[-2] for scale in made.scales]
    doublings = {"normal": [0, 1, 1, 2, 3, 4, 5], "more": [0, 1, 2, 3, 4, 5, 6]}
    assert sizes == [2**d for d in doublings.get(upsampling, [0, 1, 2, 3, 4, 5, 6, 7])]
    assert [scale.shape[1] for scale in made.scales[:7]] == [64, 64, 64, 32, 16, 8, 4]
    levels = (made.edge_features, made.image_features, made.attention, made.transferred)
    for level in levels:
        assert [maps.shape[1] for maps in level] == [32, 16, 8]
    assert made.class_maps.shape == (2, 4, size, 2 * size)
    assert made.gates.shape == (2, 4)


def test_every_width_obeys_the_cap():
    config = replace(CONFIG, max_channels=8)
    made = Generator(config)(random_semantics(config))
    assert [scale.shape[1] for scale in made.scales] == [8, 8, 8, 8, 8, 8, 4]


def test_the_parts_are_classes_by_the_papers_names():
    generator = Generator(CONFIG)
    assert isinstance(generator.encoder, SharedEncoder)
    assert isinstance(generator.edge_generator, EdgeGenerator)
    assert isinstance(generator.image_generator, ImageGenerator)
    assert isinstance(generator.image_generator.transfer, AttentionGuidedEdgeTransfer)
    assert isinstance(generator.semantic_preserving, SemanticPreservingModule)
    assert not list(generator.image_generator.transfer.parameters())


def test_edge_transfer_is_its_formula():
    image, edge = torch.randn(2, 5, 4, 4), torch.randn(2, 5, 4, 4)
    moved, attention = AttentionGuidedEdgeTransfer()(image, edge)
    torch.testing.assert_close(attention, 1 / (1 + torch.exp(-edge)))
    torch.testing.assert_close(moved, image * (1 + attention))


def test_what_the_generator_returns_belongs_together():
    generator = awake(Generator(CONFIG)).eval()
    made = generator(random_semantics())
    rows = zip(
        made.edge_features, made.image_features, made.attention, made.transferred, strict=True
    )
    for edge, before, attention, after in rows:
        torch.testing.assert_close(attention, edge.sigmoid())
        torch.testing.assert_close(after, before * attention + before)
    torch.testing.assert_close(made.gates, made.class_maps.mean(dim=(2, 3)).sigmoid())
    second = generator.image_generator.hidden[1](F.leaky_relu(made.transferred[0], 0.2))
    torch.testing.assert_close(made.image_features[1], second)


def test_semantic_preserving_is_its_formula():
    module = awake(SemanticPreservingModule(channels=6, classes=3))
    stack = torch.randn(2, 6, 8, 8)
    image, maps, gates = module(stack)
    torch.testing.assert_close(maps, module.to_classes(F.leaky_relu(stack, 0.2)))
    gated = torch.stack(
        [maps[:, k] * (1 + maps[:, k].mean((1, 2)).sigmoid())[:, None, None] for k in range(3)], 1
    )
    back = module.from_classes(F.leaky_relu(gated, 0.2))
    torch.testing.assert_close(image, torch.tanh(module.to_image(F.leaky_relu(back, 0.2))))
    torch.testing.assert_close(gates, maps.mean(dim=(2, 3)).sigmoid())


@pytest.mark.parametrize("name", ABLATIONS)
def test_switches(name):
    config = replace(CONFIG, **ABLATIONS[name])
    generator = awake(Generator(config)).eval()
    made = generator(random_semantics(config))
    expected = [
        modality
        for modality, there in (
            ("edge", config.edge_branch),
            ("first", True),
            ("final", config.semantic_preserving),
        )
        if there
    ]
    assert list(made.pictures()) == expected
    assert (made.edge is None) == (not config.edge_branch)
    assert (made.gates is None) == (made.class_maps is None) == (not config.semantic_preserving)
    assert len(made.attention) == len(made.transferred) == (3 if config.edge_transfer else 0)
    assert len(made.image_features) == 3
    assert made.final.shape == made.first.shape == (2, 3, 32, 64)
    if not config.semantic_preserving:
        assert made.final is made.first
    if not config.edge_transfer:
        assert made.first.abs().max() <= 1


def test_without_transfer_edges_do_not_reach_the_first_image():
    config = replace(CONFIG, edge_transfer=False)
    generator = awake(Generator(config)).eval()
    layout = random_semantics(config)
    before = generator(layout)
    torch.nn.init.zeros_(generator.edge_generator.hidden[0].weight)
    after = generator(layout)
    assert torch.equal(before.first, after.first)
    assert not torch.equal(before.edge, after.edge)
    assert not torch.equal(before.final, after.final)


@pytest.mark.parametrize("name", ABLATIONS)
def test_gradients_reach_every_parameter(name):
    r"""Biases before a batch norm have gradients near zero: float64 tells them from none."""
    config = replace(CONFIG, **ABLATIONS[name])
    generator = awake(Generator(config)).double()
    made = generator(random_semantics(config).double())
    # Not a mean: batch norm makes some sums independent of some weights.
    loss = sum((torch.randn_like(p) * p).sum() for p in made.pictures().values())
    loss.backward()
    for parameter_name, parameter in generator.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


def test_all_layouts_of_a_batch_are_independent_in_evaluation():
    generator = awake(Generator(CONFIG)).eval()
    layout = random_semantics(batch=3)
    with torch.no_grad():
        together = generator(layout).final
        alone = torch.cat([generator(layout[i : i + 1]).final for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_the_same_seed_gives_the_same_generator_and_pictures():
    made = []
    for _ in range(2):
        torch.manual_seed(7)
        generator = Generator(CONFIG).eval()
        torch.manual_seed(1)
        with torch.no_grad():
            made.append(generator(random_semantics()))
    for name in ("edge", "first", "final", "features"):
        assert torch.equal(getattr(made[0], name), getattr(made[1], name))
    torch.manual_seed(8)
    other = Generator(CONFIG)
    assert not torch.equal(other.encoder.entry.weight, generator.encoder.entry.weight)


@pytest.mark.parametrize(
    ("layout", "facts"),
    [
        (torch.zeros(2, 5, 32, 64), ["(2, 5, 32, 64)", "4, height, width", "layouts.semantics"]),
        (torch.zeros(2, 4, 48, 64), ["(2, 4, 48, 64)", "multiples of 32"]),
        (torch.zeros(4, 32, 64), ["(4, 32, 64)", "batch >= 1"]),
        (torch.zeros(0, 4, 32, 64), ["(0, 4, 32, 64)", "batch >= 1"]),
        (torch.zeros(2, 4, 32, 64, dtype=torch.long), ["int64", "floating point", "semantics("]),
    ],
)
def test_bad_input_stops_before_any_computation(layout, facts, monkeypatch):
    def too_late(*_):
        raise AssertionError("the encoder ran")

    generator = Generator(CONFIG)
    monkeypatch.setattr(SharedEncoder, "forward", too_late)
    with pytest.raises(LayoutError) as error:
        generator(layout)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


def test_detach_cuts_every_tensor():
    made = Generator(replace(CONFIG, edge_transfer=False))(random_semantics())
    cut = made.detach()
    assert made.final.requires_grad
    assert not cut.final.requires_grad
    assert torch.equal(made.final, cut.final)
    assert not any(scale.requires_grad for scale in cut.scales)
    assert cut.attention == []


def test_the_encoder_reads_the_layout_at_each_size():
    encoder = awake(SharedEncoder(config=CONFIG)).eval()
    asked = []

    class Recorder(LayoutPyramid):
        def at(self, height, width):
            asked.append((height, width))
            return super().at(height, width)

    encoder(Recorder(one_hot(torch.randint(4, (1, 32, 64)), classes=4)))
    assert set(asked) == {(2**k, 2 ** (k + 1)) for k in range(6)}
