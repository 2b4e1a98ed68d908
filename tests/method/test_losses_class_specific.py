r"""Class-specific generation: an image of each class from nothing but that class's features."""

import pytest
import torch
import torch.nn.functional as F

from ecgan.method.losses.class_specific import (
    ClassSpecificDecoder,
    class_specific,
    split_classes,
)
from ecgan.method.losses.finite import NonFiniteLoss

DOUBLE = torch.float64


def batch(b=2, c=4, h=6, w=7, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(b, c, h, w, generator=generator, dtype=DOUBLE)
    labels = torch.randint(classes, (b, h, w), generator=generator)
    labels[0, :2, :2] = 255
    return features.requires_grad_(), labels


def naive_loss(image, real, labels, classes):
    present = []
    for k in range(classes):
        errors = [
            (image[b, c, y, x] - real[b, c, y, x]).abs()
            for b, y, x in (labels == k).nonzero().tolist()
            for c in range(3)
        ]
        if errors:
            present.append(sum(errors) / len(errors))
    return sum(present) / len(present)


def test_one_class_is_an_ordinary_decoder():
    features, labels = batch()
    decoder = ClassSpecificDecoder(channels=4, classes=3).double()
    expected = torch.tanh(decoder.out(F.leaky_relu(decoder.hidden(features), 0.2)))
    torch.testing.assert_close(decoder(features, torch.full_like(labels, 2)), expected)


def test_a_pixel_of_no_class_is_zero():
    features, labels = batch()
    labels[1] = 7
    image = ClassSpecificDecoder(channels=4, classes=3).double()(features, labels)
    nowhere = (labels == 255) | (labels == 7)
    assert not image.movedim(1, -1)[nowhere].any()
    assert image.movedim(1, -1)[~nowhere].all()


def test_no_class_sees_another():
    features, labels = batch()
    decoder = ClassSpecificDecoder(channels=4, classes=3).double()
    other = torch.where((labels == 1)[:, None], features, torch.randn_like(features))
    here = (labels == 1)[:, None].expand(-1, 3, -1, -1)
    changed = decoder(other, labels)
    torch.testing.assert_close(changed[here], decoder(features, labels)[here])
    assert changed[here].any()
    assert not torch.allclose(changed[~here], decoder(features, labels)[~here])


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_any_integer_labels(dtype):
    features, labels = batch()
    decoder = ClassSpecificDecoder(channels=4, classes=3).double()
    image = decoder(features, labels)
    assert torch.equal(decoder(features, labels.to(dtype)), image)
    loss = class_specific(image, torch.zeros_like(image), labels, classes=3)
    assert class_specific(image, torch.zeros_like(image), labels.to(dtype), classes=3) == loss


def test_images_of_the_classes_sum_to_the_image():
    features, labels = batch()
    image = ClassSpecificDecoder(channels=4, classes=3).double()(features, labels)
    images = split_classes(image, labels, classes=5)
    assert images.shape == (2, 5, 3, 6, 7)
    torch.testing.assert_close(images.sum(1), image)
    assert not images[:, 3:].any()
    for k in range(3):
        assert not images[:, k].movedim(1, -1)[labels != k].any()


def test_loss_equals_loops():
    _, labels = batch()
    labels[labels == 1] = 2  # a class that is not there
    image, real = torch.randn(2, 2, 3, 6, 7, dtype=DOUBLE)
    image.requires_grad_()
    found = class_specific(image, real, labels, classes=4)
    expected = naive_loss(image, real, labels, 4)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    (a,), (b,) = torch.autograd.grad(found, image), torch.autograd.grad(expected, image)
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


def test_a_lamp_weighs_as_much_as_the_sky():
    labels = torch.zeros(1, 20, 20, dtype=torch.long)
    labels[0, 3, 3] = 1
    real = torch.zeros(1, 3, 20, 20)
    image = torch.zeros(1, 3, 20, 20)
    image[:, :, 3, 3] = 1
    assert class_specific(image, real, labels, classes=2).item() == pytest.approx(0.5)
    assert F.l1_loss(image, real).item() < 0.01


def test_order_of_pixels_and_layouts_is_nothing():
    _, labels = batch()
    image, real = torch.randn(2, 2, 3, 6, 7, dtype=DOUBLE)
    value = class_specific(image, real, labels, classes=3).item()
    flipped = [part.flip(0) for part in (image, real, labels)]
    assert class_specific(*flipped, classes=3).item() == pytest.approx(value, rel=1e-12)
    order = torch.randperm(42)
    turned = [part.flatten(-2)[..., order].unflatten(-1, (6, 7)) for part in (image, real, labels)]
    assert class_specific(*turned, classes=3).item() == pytest.approx(value, rel=1e-12)


def test_all_ignored_is_zero_with_gradient_zero():
    image = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = class_specific(image, torch.randn(1, 3, 4, 4), torch.full((1, 4, 4), 255), classes=3)
    loss.backward()
    assert loss.item() == 0
    assert not image.grad.any()


def test_ignored_pixels_and_the_real_image_get_no_gradient():
    _, labels = batch()
    image, real = (torch.randn(2, 3, 6, 7, requires_grad=True) for _ in range(2))
    class_specific(image, real, labels, classes=3).backward()
    assert real.grad is None
    assert not image.grad.movedim(1, -1)[labels == 255].any()
    assert image.grad.movedim(1, -1)[labels != 255].all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    features, labels = batch(h=24, w=24)
    decoder = ClassSpecificDecoder(channels=4, classes=3)
    real = torch.rand(2, 3, 24, 24).to(dtype)
    half = features.detach().to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        loss = class_specific(decoder(half, labels), real, labels, classes=3)
    assert loss.dtype == torch.float32
    exact = class_specific(decoder(half.float(), labels), real.float(), labels, classes=3)
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    (1024 * loss).backward()
    assert torch.isfinite(half.grad).all()


def test_bad_input():
    _, labels = batch()
    image = torch.zeros(2, 3, 6, 7)
    with pytest.raises(NonFiniteLoss, match="class-specific loss: input 1"):
        class_specific(image, image / 0, labels, classes=3)
    with pytest.raises(ValueError, match=r"labels from 0 to 2; allowed are 0 to 1 and 255"):
        class_specific(image, image, labels, classes=2)
    with pytest.raises(ValueError, match="labels from -1"):
        class_specific(image, image, labels - 1, classes=3)
