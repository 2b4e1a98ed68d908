r"""Label generators: the U-Net, the judge, and the adapter of SegFormer without any download."""

import sys

import pytest
import torch
import torch.nn.functional as F

from ecgan.config import ConfigError
from ecgan.method.layers import frozen
from ecgan.readers.segformer import NEVER, SegFormer, SegmenterUnavailable
from ecgan.readers.segmenter import DilatedJudge, Segmenter, UNet
from support.networks import BUILD, tiny_segformer


@pytest.mark.parametrize("name", BUILD)
def test_the_protocol(name):
    segmenter = BUILD[name]()
    assert isinstance(segmenter, Segmenter)
    images = torch.rand(2, 3, 32, 64) * 2 - 1
    assert segmenter(images).shape == (2, 5, 32, 64)
    features = segmenter.features(images)
    torch.testing.assert_close(
        segmenter.eval().scores(segmenter.features(images)), segmenter(images)
    )
    assert len(features) == segmenter.levels
    assert {maps.shape[0] for maps in features} == {2}
    heights = [maps.shape[2] for maps in features]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("name", ["UNet", "DilatedJudge"])
def test_gradients_reach_the_image_and_every_parameter(name):
    segmenter = BUILD[name]().double()
    images = (torch.rand(2, 3, 32, 32).double() * 2 - 1).requires_grad_()
    scores = segmenter(images)
    (scores * torch.randn_like(scores)).sum().backward()
    assert images.grad.abs().max() > 0
    for parameter_name, parameter in segmenter.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize("name", BUILD)
def test_frozen_gives_gradients_to_images_alone(name):
    segmenter = BUILD[name]().train()
    assert frozen(segmenter) is segmenter
    assert not segmenter.training
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    before = {n: v.clone() for n, v in segmenter.state_dict().items()}
    segmenter(images).square().sum().backward()
    assert images.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in segmenter.parameters())
    assert all(torch.equal(v, before[n]) for n, v in segmenter.state_dict().items())


def test_unet_widths_and_skips():
    unet = UNet(classes=3, width=4, depth=3)
    images = torch.rand(1, 3, 16, 24)
    assert [tuple(maps.shape[1:]) for maps in unet.features(images)] == [
        (4, 16, 24),
        (8, 8, 12),
        (16, 4, 6),
        (32, 2, 3),
    ]


def test_the_judge_keeps_full_size():
    judge = DilatedJudge(classes=3, width=4)
    assert {maps.shape[2:] for maps in judge.features(torch.rand(1, 3, 10, 14))} == {(10, 14)}


def test_a_judge_of_patches_reads_squares_as_places_and_scores_every_pixel():
    judge = DilatedJudge(classes=3, width=4, dilations=(1,), patch=2).eval()
    images = torch.rand(1, 3, 10, 14)
    assert {maps.shape[2:] for maps in judge.features(images)} == {(5, 7)}
    assert judge(images).shape == (1, 3, 10, 14)
    # A pixel far from a place that a 3 x 3 pair of convolutions reaches changes nothing there.
    changed = images.clone()
    changed[..., 0, 0] += 1
    differs = (judge.features(changed)[0] != judge.features(images)[0]).any(1)[0]
    assert differs[0, 0]
    assert not differs[3:].any()
    assert DilatedJudge(**judge.config).load_state_dict(judge.state_dict())


def test_patches_have_a_pixel_at_least():
    with pytest.raises(ConfigError, match="patch is 0; it must be at least 1"):
        DilatedJudge(classes=3, patch=0)


@pytest.mark.parametrize("size", [(30, 32), (32, 36)])
def test_unet_refuses_sizes_it_cannot_halve(size):
    with pytest.raises(ConfigError, match=r"images are \d+ x \d+;.* 3 times.* multiples of 8"):
        UNet(classes=3)(torch.zeros(1, 3, *size))


@pytest.mark.parametrize("change", [{"classes": 1}, {"width": 0}, {"depth": 0}])
def test_unet_refuses_nonsense(change):
    with pytest.raises(ConfigError, match="2 classes, width 1, depth 1 or more"):
        UNet(**({"classes": 3} | change))


def test_segformer_sees_imagenets_range():
    segmenter = SegFormer(model=tiny_segformer())
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = torch.rand(2, 3, 8, 8)
    expected = (images - mean[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(segmenter.normalise(images * 2 - 1), expected)


def test_segformer_is_transformers_enlarged():
    model = tiny_segformer()
    segmenter = SegFormer(model=model)
    images = torch.rand(2, 3, 64, 32) * 2 - 1
    with torch.no_grad():
        logits = model(pixel_values=segmenter.normalise(images)).logits
        assert logits.shape == (2, 5, 16, 8)
        expected = F.interpolate(logits, size=(64, 32), mode="bilinear", align_corners=False)
        torch.testing.assert_close(segmenter(images), expected)
        states = model(pixel_values=segmenter.normalise(images), output_hidden_states=True)
        for maps, state in zip(segmenter.features(images), states.hidden_states, strict=True):
            torch.testing.assert_close(maps, state)
    assert [maps.shape[1] for maps in segmenter.features(images)] == [4, 8, 12, 16]


def test_segformer_maps_labels_to_our_classes():
    model = tiny_segformer()
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        theirs = SegFormer(model=model)(images)
        ours = SegFormer(model=model, label_ids=[3, (0, 4), None])(images)
    torch.testing.assert_close(ours[:, 0], theirs[:, 3])
    torch.testing.assert_close(ours[:, 1].exp(), theirs[:, 0].exp() + theirs[:, 4].exp())
    assert (ours[:, 2] == NEVER).all()
    assert ours.softmax(1)[:, 2].max() < 1e-8


@pytest.mark.parametrize(
    ("label_ids", "facts"),
    [
        ([0, 5], ["[5]", "5 labels", "0 to 4"]),
        ([(0, -1)], ["[-1]", "0 to 4"]),
        ([None, None], ["no label at all", "5 labels"]),
    ],
)
def test_segformer_refuses_labels_that_are_not_there(label_ids, facts):
    with pytest.raises(ConfigError) as error:
        SegFormer(model=tiny_segformer(), label_ids=label_ids)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


def test_segformer_from_a_folder(tmp_path):
    model = tiny_segformer()
    model.save_pretrained(tmp_path)
    loaded = SegFormer.from_pretrained(str(tmp_path), label_ids=[2, 1])
    assert not loaded.training
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = SegFormer(model=model, label_ids=[2, 1])(images)
        torch.testing.assert_close(loaded(images), expected)


def test_segformer_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SegmenterUnavailable, match=r"pip install 'ecgan\[segformer\]'"):
        SegFormer.from_pretrained("nvidia/segformer-b0-finetuned-ade-512-512")


def test_segformer_without_its_weights(monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    missing = str(tmp_path / "nowhere")
    with pytest.raises(SegmenterUnavailable) as error:
        SegFormer.from_pretrained(missing)
    for fact in (missing, "huggingface.co", "config.json", "similarity=0"):
        assert fact in str(error.value)
