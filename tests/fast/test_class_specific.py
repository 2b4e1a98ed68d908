r"""The class-specific decoder in one pass equals a pass for each class, on every device."""

import pytest
import torch
from torch import nn

from ecgan.fast import accelerate, is_accelerated
from ecgan.fast.class_specific import (
    ClassBorders,
    by_borders,
    by_places,
    decoder_forward,
    neighbours,
    same_class,
)
from ecgan.method.losses.class_specific import ClassSpecificDecoder
from support.questions import Questions

EXACT = {torch.float64: {"rtol": 1e-10, "atol": 1e-10}, torch.float32: {"rtol": 1e-5, "atol": 1e-5}}


def batch(dtype=torch.float64, b=2, c=4, h=6, w=7, classes=3):
    features = torch.randn(b, c, h, w, dtype=dtype, requires_grad=True)
    labels = torch.randint(classes, (b, h, w))
    labels[0, :2, :2] = 255
    labels[1, 3:] = 1
    return features, labels


def same_places(labels):
    around = neighbours(labels) == labels.flatten()[:, None]
    b, h, w = labels.shape
    return around.reshape(b, h, w, 9).movedim(-1, 1)


def with_gradients(result, inputs):
    weight = torch.randn(
        result.shape, dtype=result.dtype, generator=torch.Generator().manual_seed(1)
    )
    return [result, *torch.autograd.grad((result * weight).sum(), inputs)]


@pytest.mark.parametrize("dtype", EXACT)
def test_accelerated_equals_plain(dtype):
    features, labels = batch(dtype)
    plain = ClassSpecificDecoder(channels=4, classes=3, hidden=5).to(dtype)
    quick = ClassSpecificDecoder(channels=4, classes=3, hidden=5).to(dtype)
    quick.load_state_dict(plain.state_dict())
    assert accelerate(quick) is quick
    assert list(quick.state_dict()) == list(plain.state_dict())
    found = with_gradients(quick(features, labels), [features, *quick.parameters()])
    expected = with_gradients(plain(features, labels), [features, *plain.parameters()])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **EXACT[dtype])
    assert is_accelerated(quick)


@pytest.mark.parametrize("dtype", EXACT)
def test_both_ways_equal_each_class_masked_in_turn(dtype):
    features, labels = batch(dtype)
    layer = nn.Conv2d(4, 5, 3, padding=1).to(dtype)
    inputs = [features, *layer.parameters()]
    masks = [(labels == k)[:, None].to(dtype) for k in (0, 1, 2, 255)]
    expected = with_gradients(sum(layer(features * mask) * mask for mask in masks), inputs)
    ways = [
        by_borders(layer, features, ClassBorders.of(labels)),
        by_places(layer, features, same_places(labels)),
        same_class(labels)(layer, features),
    ]
    for result in ways:
        for a, b in zip(with_gradients(result, inputs), expected, strict=True):
            torch.testing.assert_close(a, b, **EXACT[dtype])


def test_the_way_of_a_gpu_asks_for_nothing(monkeypatch):
    features, labels = batch(torch.float32)
    decoder = ClassSpecificDecoder(channels=4, classes=3)
    expected = decoder_forward(decoder, features, labels)
    with Questions() as questions:
        decoder_forward(decoder, features, labels)
    assert questions.asked == ["nonzero"]  # on a CPU it may
    elsewhere = labels.as_subclass(Elsewhere)
    with Questions() as questions:
        found = decoder_forward(decoder, features, elsewhere)
        found.sum().backward()
    assert questions.asked == []
    torch.testing.assert_close(found.as_subclass(torch.Tensor), expected)


class Elsewhere(torch.Tensor):
    r"""Labels that say they lie on a GPU, to whoever asks in Python."""

    @property
    def device(self):
        return Pretended()


class Pretended:
    type = "cuda"


def test_without_borders_it_is_an_ordinary_convolution():
    features, labels = batch()
    layer = nn.Conv2d(4, 6, 3, padding=1).double()
    borders = ClassBorders.of(torch.full_like(labels, 2))
    assert not len(borders.pixels)
    torch.testing.assert_close(by_borders(layer, features, borders), layer(features))


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_any_integer_labels(dtype):
    features, labels = batch()
    decoder = ClassSpecificDecoder(channels=4, classes=3).double()
    image = decoder_forward(decoder, features, labels)
    assert torch.equal(decoder_forward(decoder, features, labels.to(dtype)), image)
