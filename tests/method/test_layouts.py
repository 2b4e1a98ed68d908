r"""Label maps in and out, against loops; and what a bad one is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from ecgan import ModelConfig
from ecgan.method.layouts import (
    IGNORE,
    LayoutError,
    colorize,
    from_colors,
    instance_boundaries,
    one_hot,
    semantics,
    validate,
)
from support.released_reference import one_hot as by_loops

CONFIG = ModelConfig(classes=4, height=32, width=64)
PALETTE = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], dtype=torch.uint8)


def random_labels(*, dont_care: bool = False, batch: int = 2) -> torch.Tensor:
    labels = torch.randint(4 + dont_care, (batch, 32, 64))
    return torch.where(labels == 4, IGNORE, labels)


@pytest.mark.parametrize("dont_care", [True, False])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_one_hot(dont_care, dtype):
    if dtype == torch.uint8 or not dont_care:
        labels = random_labels(dont_care=dont_care)
    else:
        labels = random_labels(dont_care=True)
    found = one_hot(labels.to(dtype), classes=4, dont_care=dont_care)
    assert torch.equal(found, by_loops(labels, 4, dont_care))
    assert (found.sum(1) == 1).all()
    back = found.argmax(1)
    assert torch.equal(torch.where(back == 4, IGNORE, back), labels)


def test_with_255_classes_dont_care_still_has_its_own_channel():
    labels = torch.tensor([[[0, 254, 255]]])
    found = one_hot(labels, classes=255, dont_care=True)
    assert found.shape == (1, 256, 1, 3)
    assert found.argmax(1).tolist() == [[[0, 254, 255]]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_instance_boundaries(dtype):
    instances = torch.randint(3, (2, 7, 5))
    expected = by_loops(instances, 0, True, instances)[:, 1:]
    assert torch.equal(instance_boundaries(instances.to(dtype)), expected)
    assert instance_boundaries(torch.full((1, 4, 4), 7)).sum() == 0
    single = torch.zeros(1, 5, 5, dtype=torch.long)
    single[0, 2, 2] = 1
    cross = [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert instance_boundaries(single)[0, 0].tolist() == cross


@pytest.mark.parametrize("dont_care", [True, False])
@pytest.mark.parametrize("instances", [True, False])
def test_semantics_stacks_in_the_released_order(dont_care, instances):
    config = replace(CONFIG, dont_care=dont_care, instance_boundaries=instances)
    labels = random_labels(dont_care=dont_care, batch=1)
    ids = torch.randint(3, labels.shape) if instances else None
    found = semantics(labels, ids, config=config)
    assert torch.equal(found, by_loops(labels, 4, dont_care, ids))
    assert found.shape[1] == config.semantic_channels


def with_value(value: int) -> torch.Tensor:
    labels = random_labels()
    labels[1, 3, 5] = value
    return labels


@pytest.mark.parametrize(
    ("labels", "facts"),
    [
        (with_value(4), ["label 4", "(1, 3, 5)", "4 classes (0 to 3)", "ecgan doctor"]),
        (with_value(-1), ["label -1", "(1, 3, 5)", "4 classes (0 to 3)", "ecgan doctor"]),
        (with_value(255), ["label 255", "dont_care=False", "ecgan doctor"]),
        (random_labels().float(), ["float32", "integer ids", "labels.long()"]),
        (random_labels() > 0, ["torch.bool", "integer ids"]),
        (random_labels().to(torch.complex64), ["complex64", "integer ids"]),
        (torch.zeros(2, 32, 64, 3, dtype=torch.uint8), ["(2, 32, 64, 3)", "from_colors"]),
        (torch.zeros(2, 3, 32, 64, dtype=torch.uint8), ["(2, 3, 32, 64)", "from_colors"]),
        (torch.zeros(32, 64, dtype=torch.long), ["(32, 64)", "'h w -> 1 h w'"]),
        (torch.zeros(0, 32, 64, dtype=torch.long), ["empty", "(0, 32, 64)", "at least one"]),
        (torch.zeros(1, 0, 64, dtype=torch.long), ["empty", "at least one pixel"]),
        (torch.zeros(1, 33, 64, dtype=torch.long), ["33 x 64", "32 x 64", "nearest", "of 32"]),
        (torch.zeros(1, 64, 31, dtype=torch.long), ["64 x 31 pixels (height x width)"]),
    ],
)
def test_bad_layouts(labels, facts):
    with pytest.raises(LayoutError) as error:
        semantics(labels, config=CONFIG)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


def test_with_dont_care_255_passes_and_256_does_not():
    config = replace(CONFIG, dont_care=True)
    semantics(with_value(255), config=config)
    with pytest.raises(LayoutError, match=r"label 256 in the layout.*ignores 255"):
        semantics(with_value(256), config=config)


def test_arrays_are_told_what_to_do():
    with pytest.raises(LayoutError, match=r"street\.png is a ndarray.*torch\.as_tensor"):
        validate(np.zeros((1, 2, 2), int), classes=3, dont_care=False, source="street.png")


def test_the_source_is_named():
    with pytest.raises(LayoutError, match=r"label 9 in street/0041\.png"):
        validate(torch.full((1, 2, 2), 9), classes=3, dont_care=True, source="street/0041.png")


@pytest.mark.parametrize(
    ("instances", "facts"),
    [
        (None, ["instance_boundaries=True", "no instance map", "pass instances"]),
        (torch.zeros(2, 32, 32, dtype=torch.long), ["(2, 32, 32)", "(2, 32, 64)", "equal"]),
        (torch.zeros(2, 32, 64), ["float32", "integers"]),
    ],
)
def test_bad_instances(instances, facts):
    config = replace(CONFIG, instance_boundaries=True)
    with pytest.raises(LayoutError) as error:
        semantics(random_labels(), instances, config=config)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("shape", [(5, 6), (2, 5, 6), (2, 3, 5, 6)])
def test_colours_and_back(shape, dtype):
    labels = torch.randint(5, shape)
    labels = torch.where(labels == 4, IGNORE, labels).to(dtype)
    colors = colorize(labels, PALETTE)
    assert (colors.dtype, colors.shape) == (torch.uint8, (*shape, 3))
    for index, label in enumerate(labels.flatten().tolist()):
        expected = [0, 0, 0] if label == IGNORE else PALETTE[label].tolist()
        assert colors.reshape(-1, 3)[index].tolist() == expected
    assert torch.equal(from_colors(colors, PALETTE), labels.long())


def test_black_may_be_a_class():
    palette = torch.tensor([[1, 2, 3], [0, 0, 0]], dtype=torch.uint8)
    image = torch.zeros(1, 1, 3, dtype=torch.uint8)
    assert from_colors(image, palette).item() == 1


def test_a_colour_between_is_named():
    image = colorize(torch.zeros(1, 4, 4, dtype=torch.long), PALETTE)
    image[0, 2, 1] = torch.tensor([250, 3, 0], dtype=torch.uint8)
    with pytest.raises(LayoutError) as error:
        from_colors(image, PALETTE)
    for fact in ("(250, 3, 0)", "palette's 4", "JPEG", "nearest-neighbour"):
        assert fact in str(error.value)


def test_annotations_are_checked_here():
    with pytest.raises(TypeCheckError):
        one_hot(torch.zeros(2, 4, 4), classes=3)
