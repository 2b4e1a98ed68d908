r"""The discriminator: its two scales layer by layer, the joint pass, gradients, refusals."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

from ecgan import Discriminator, ModelConfig
from ecgan.fast import accelerate
from ecgan.method.discriminator import half
from ecgan.method.layouts import LayoutError
from support.networks import awake, random_semantics

CONFIG = ModelConfig(classes=4, height=32, width=64, base_channels=4, spade_hidden=6)


@pytest.fixture
def discriminator() -> Discriminator:
    return awake(Discriminator(CONFIG)).eval()


def random_picture(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, 32, 64) * 2 - 1


def test_layers(discriminator):
    scales = discriminator(random_semantics(), random_picture())
    shapes = [[tuple(layer.shape[1:]) for layer in layers] for layers in scales]
    assert shapes == [
        [(4, 17, 33), (8, 9, 17), (16, 5, 9), (32, 6, 10), (1, 7, 11)],
        [(4, 9, 17), (8, 5, 9), (16, 3, 5), (32, 4, 6), (1, 5, 7)],
    ]


def test_widths_stop_at_512():
    config = ModelConfig(classes=1, base_channels=200)
    scale = Discriminator(config).scales[0]
    assert [conv.out_channels for conv in scale.middle] == [400, 512, 512]
    assert [conv.bias for conv in scale.middle] == [None] * 3


def test_the_second_scale_sees_half_the_picture(discriminator):
    layout, picture = random_semantics(), random_picture()
    both = torch.cat([layout, picture], dim=1)
    ones = F.avg_pool2d(F.pad(torch.ones_like(both), (1, 1, 1, 1)), 3, stride=2)
    small = F.avg_pool2d(F.pad(both, (1, 1, 1, 1)), 3, stride=2) / ones
    torch.testing.assert_close(half(both), small)
    _, second = discriminator(layout, picture)
    for found, expected in zip(second, discriminator.scales[1](small), strict=True):
        torch.testing.assert_close(found, expected)


def test_it_reads_layout_and_picture(discriminator):
    layout, picture = random_semantics(), random_picture()
    found = discriminator(layout, picture)[0][-1]
    assert (found - discriminator(layout.flip(0), picture)[0][-1]).abs().max() > 1e-3
    assert (found - discriminator(layout, picture.flip(0))[0][-1]).abs().max() > 1e-3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_judging_together_equals_judging_apart(discriminator, count):
    layout = random_semantics()
    pictures = {name: random_picture() for name in ("edge", "first", "final")[:count]}
    together = accelerate(deepcopy(discriminator)).discriminate(layout, pictures)
    assert list(together) == list(pictures)
    for name, picture in pictures.items():
        apart = discriminator(layout, picture)
        assert [len(layers) for layers in together[name]] == [5, 5]
        for found, expected in zip(together[name], apart, strict=True):
            for layer, value in zip(found, expected, strict=True):
                torch.testing.assert_close(layer, value, rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_parameter_and_the_picture():
    discriminator = awake(Discriminator(CONFIG)).double()
    picture = random_picture().double().requires_grad_()
    scales = discriminator(random_semantics().double(), picture)
    sum(scores.square().sum() for *_, scores in scales).backward()
    assert picture.grad.abs().max() > 0
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("layout", "picture", "facts"),
    [
        (torch.zeros(2, 5, 32, 64), torch.zeros(2, 3, 32, 64), ["(2, 5, 32, 64)", "(batch, 4, "]),
        (torch.zeros(2, 4, 32, 64), torch.zeros(2, 1, 32, 64), ["(2, 1, 32, 64)", "(batch, 3, "]),
        (torch.zeros(2, 4, 32, 64), torch.zeros(1, 3, 32, 64), ["(1, 3, 32, 64)", "do not fit"]),
        (torch.zeros(2, 4, 32, 64), torch.zeros(2, 3, 64, 64), ["(2, 3, 64, 64)", "one size"]),
        (torch.zeros(2, 4, 32, 64), torch.zeros(3, 32, 64), ["(3, 32, 64)", "do not fit"]),
    ],
)
def test_layout_and_picture_must_fit(discriminator, layout, picture, facts):
    with pytest.raises(LayoutError) as error:
        discriminator(layout, picture)
    assert all(fact in str(error.value) for fact in facts), str(error.value)
