r"""SPADE and its block against the formula, the layout pyramid, the wash-out."""

import pytest
import torch
import torch.nn.functional as F

from ecgan import ModelConfig
from ecgan.method.layers import convolution, resize, scale
from ecgan.method.layouts import one_hot
from ecgan.method.spade import SPADE, SPADEResBlock
from ecgan.weights.released import SUFFIXES
from support import golden_weights
from support import released_reference as reference

CONFIG = ModelConfig(classes=3, height=32, width=32, spade_hidden=5)


def random_layout(batch: int = 2) -> torch.Tensor:
    return one_hot(torch.randint(3, (batch, 32, 32)), classes=3)


def twin_state(network) -> dict[str, torch.Tensor]:
    r"""Random weights for `network`; the same under the released names, gamma and beta apart."""
    state = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    values = {
        name: torch.as_tensor(golden_weights.tensor(name, shape)) for name, shape in state.items()
    }
    for name in [n for n in values if n.endswith("original")]:
        stem = name.removesuffix("original")
        u, v = golden_weights.spectral_vectors(values[name].numpy())
        values[stem + "0._u"], values[stem + "0._v"] = torch.from_numpy(u), torch.from_numpy(v)
    network.load_state_dict(values)
    theirs = {}
    for name, value in values.items():
        name = "x." + name
        for ours, released in SUFFIXES:
            name = name.replace(ours, released)
        if "modulation" in name:
            for part, half in zip(("gamma", "beta"), value.chunk(2), strict=True):
                theirs[name.replace("modulation", f"mlp_{part}")] = half
        else:
            theirs[name] = value
    return theirs


@pytest.mark.parametrize("size", [(32, 32), (16, 16), (4, 8)])
def test_spade_is_its_formula(size):
    spade = SPADE(6, config=CONFIG).eval()
    weights = reference.Weights(twin_state(spade))
    x, layout = torch.randn(2, 6, *size), random_layout()
    with torch.no_grad():
        found = spade(x, layout)
    torch.testing.assert_close(found, weights.spade("x", x, layout), rtol=0, atol=1e-5)


@pytest.mark.parametrize("widths", [(6, 6), (6, 4), (4, 6)])
def test_the_block_is_its_formula(widths):
    block = SPADEResBlock(channels_in=widths[0], channels_out=widths[1], config=CONFIG).eval()
    weights = reference.Weights(twin_state(block))
    x, layout = torch.randn(2, widths[0], 8, 8), random_layout()
    with torch.no_grad():
        found = block(x, layout)
    assert found.shape == (2, widths[1], 8, 8)
    torch.testing.assert_close(found, weights.block("x", x, layout), rtol=0, atol=1e-5)
    assert block.learned_shortcut == (widths[0] != widths[1])


def test_in_training_the_batch_is_normalised():
    spade = SPADE(6, config=CONFIG)
    torch.nn.init.zeros_(spade.modulation.weight)
    x = 3 + 5 * torch.randn(4, 6, 8, 8)
    found = spade(x, random_layout(4))
    torch.testing.assert_close(found.mean(dim=(0, 2, 3)), torch.zeros(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.var(dim=(0, 2, 3)), torch.ones(6), rtol=0, atol=1e-2)
    assert not list(spade.normalise.parameters())


def test_a_uniform_layout_survives_spade_and_not_plain_normalisation():
    spade = SPADE(4, config=CONFIG)
    torch.nn.init.normal_(spade.shared.weight)
    torch.nn.init.normal_(spade.modulation.weight)
    one, other = (one_hot(torch.full((1, 32, 32), k), classes=3) for k in (0, 2))
    conv = convolution(3, 4)
    for layout in (one, other):
        inner = F.conv2d(layout, conv.weight)
        assert inner.abs().max() > 1e-3
        assert F.instance_norm(inner).abs().max() < 1e-3
    x = torch.randn(1, 4, 32, 32)
    assert (spade(x, one) - spade(x, other)).abs().max() > 0.1


def test_a_layout_is_resized_by_nearest_neighbour():
    semantics = torch.randn(1, 3, 8, 8)
    assert torch.equal(resize(semantics, like=semantics), semantics)
    assert torch.equal(resize(semantics, like=torch.zeros(1, 6, 4, 2)), semantics[:, :, ::2, ::4])
    assert torch.equal(scale(semantics, 1 / 4), semantics[:, :, ::4, ::4])
    assert torch.equal(scale(scale(semantics, 2), 0.5), semantics)


def test_convolutions_start_as_released():
    conv = convolution(64, 64, kernel=3)
    fan = 64 * 9
    assert conv.weight.std().item() == pytest.approx(0.02 * (2 / (2 * fan)) ** 0.5, rel=0.05)
    assert conv.bias.abs().sum() == 0
    assert convolution(4, 4, bias=False).bias is None
    assert conv(torch.randn(1, 64, 7, 5)).shape == (1, 64, 7, 5)


def test_spectral_normalisation_bounds_the_weight():
    conv = convolution(8, 6, spectral=True)
    for _ in range(50):
        conv(torch.randn(1, 8, 4, 4))
    largest = torch.linalg.svdvals(conv.weight.flatten(1))[0].item()
    assert largest == pytest.approx(1, abs=1e-3)
