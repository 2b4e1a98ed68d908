r"""Configs: what follows from them, the published presets, and each refusal's sentence."""

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from ecgan import ModelConfig, preset
from ecgan.config import (
    Config,
    ConfigError,
    DataConfig,
    LossConfig,
    TrainingConfig,
)
from ecgan.presets import (
    PRESETS,
)


def test_models_are_keyword_only_and_frozen():
    with pytest.raises(TypeError):
        ModelConfig(5)
    with pytest.raises(FrozenInstanceError):
        ModelConfig(classes=5).classes = 6


@pytest.mark.parametrize("dont_care", [True, False])
@pytest.mark.parametrize("instances", [True, False])
def test_semantic_channels(dont_care, instances):
    config = ModelConfig(classes=7, dont_care=dont_care, instance_boundaries=instances)
    assert config.semantic_channels == 7 + dont_care + instances


@pytest.mark.parametrize(("upsampling", "doublings"), [("normal", 5), ("more", 6), ("most", 7)])
def test_sizes_that_can_be_made(upsampling, doublings):
    step = 2**doublings
    config = ModelConfig(classes=2, upsampling=upsampling, height=step, width=3 * step)
    assert config.doublings == doublings
    for height in (step // 2, step + step // 2, 0, -step):
        with pytest.raises(ConfigError) as error:
            replace(config, height=height)
        message = str(error.value)
        for fact in (f"height is {height}", upsampling, f"a multiple of {step}"):
            assert fact in message
    with pytest.raises(ConfigError, match=f"width is {step + 2}.* such as {step}"):
        replace(config, width=step + 2)


def test_widths():
    config = ModelConfig(classes=2, base_channels=8)
    assert [config.trunk_channels(m) for m in (16, 8, 1)] == [128, 64, 8]
    capped = replace(config, max_channels=50)
    assert [capped.trunk_channels(m) for m in (16, 8, 1)] == [50, 50, 8]
    assert config.feature_channels == 8
    assert replace(config, upsampling="most").feature_channels == 4


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"classes": 0}, ["classes is 0", "1 to 255", "don't care"]),
        ({"classes": 256}, ["classes is 256", "1 to 255"]),
        ({"base_channels": 0}, ["base_channels is 0", ">= 1"]),
        ({"spade_hidden": -1}, ["spade_hidden is -1", ">= 1"]),
        ({"upsampling": "most", "base_channels": 5}, ["base_channels is 5", "most", "even"]),
        ({"max_channels": 10}, ["max_channels is 10", "base_channels (64)", "None"]),
        ({"edge_branch": False}, ["edge_transfer is on", "edge_branch is off", "switch"]),
    ],
)
def test_refused_models(change, facts):
    with pytest.raises(ConfigError) as error:
        ModelConfig(**({"classes": 4} | change))
    assert all(fact in str(error.value) for fact in facts), str(error.value)


def test_an_unknown_upsampling_lists_the_known():
    config = ModelConfig(classes=2)
    object.__setattr__(config, "upsampling", "some")  # past the checked annotation
    with pytest.raises(ConfigError, match=r'upsampling is \'some\'; allowed are "normal", "more"'):
        config.__post_init__()


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"steps": 0}, ["steps is 0", ">= 1"]),
        ({"batch_size": 0}, ["batch_size is 0", ">= 1"]),
        ({"generator_rate": 0}, ["generator_rate is 0", "above 0"]),
        ({"discriminator_rate": 4}, ["discriminator_rate is 4", "below 1"]),
        ({"constant": 1.5}, ["constant is 1.5", "share", "0 to 1"]),
        ({"ema": 1}, ["ema is 1", "below 1"]),
    ],
)
def test_refused_training(change, facts):
    with pytest.raises(ConfigError) as error:
        TrainingConfig(**change)
    assert all(fact in str(error.value) for fact in facts), str(error.value)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["adversarial", "similarity", "final"])
def test_refused_weights(name, value):
    with pytest.raises(ConfigError, match=rf"losses\.{name} is {value}; a weight is 0 \(off\)"):
        LossConfig(**{name: value})


def test_refused_features():
    losses = LossConfig()
    object.__setattr__(losses, "perceptual_features", "resnet")
    with pytest.raises(ConfigError, match=r'is \'resnet\'; allowed .*"lite", "segmenter"'):
        losses.__post_init__()


def test_released_weights_and_rates():
    losses, training = LossConfig(), TrainingConfig()
    assert [losses.modality(name) for name in ("edge", "first", "final")] == [1, 1, 2]
    assert (losses.adversarial, losses.feature_matching, losses.perceptual) == (1, 10, 10)
    assert (training.generator_rate, training.discriminator_rate) == (1e-4, 4e-4)
    assert training.betas == (0, 0.9)


PUBLISHED = {  # classes, don't care, instances, height, width, up-sampling, load size
    "facades": (12, False, False, 256, 256, "normal", 286),
    "cityscapes": (35, False, True, 256, 512, "more", None),
    "ade20k": (150, True, False, 256, 256, "normal", 286),
    "coco_stuff": (182, True, True, 256, 256, "normal", 286),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_presets(name):
    model, data = preset(name).model, preset(name).data
    found = (
        model.classes,
        model.dont_care,
        model.instance_boundaries,
        model.height,
        model.width,
        model.upsampling,
        data.load_size,
    )
    assert found == PUBLISHED[name]
    assert (model.base_channels, model.spade_hidden, model.max_channels) == (64, 128, None)
    assert (data.name, data.flip) == (name, True)
    assert preset(name).losses == LossConfig()


def test_the_toy_preset_needs_a_layout_alone():
    model = preset("toy").model
    assert (model.classes, model.height, model.width) == (9, 64, 64)
    assert model.semantic_channels == 9
    assert preset("toy").losses.perceptual_features == "segmenter"


def test_an_unknown_preset_lists_the_known():
    assert set(PRESETS) == {*PUBLISHED, "toy", "aerial"}
    with pytest.raises(ConfigError) as error:
        preset("coco")
    assert "no preset 'coco'" in str(error.value)
    assert all(name in str(error.value) for name in PRESETS)


def test_configs_survive_json():
    config = preset("toy")
    loaded = json.loads(json.dumps(config.to_dict()))
    assert ModelConfig(**loaded["model"]) == config.model
    assert loaded["losses"]["contrast"]["temperature"] == config.losses.contrast.temperature
    assert set(loaded) == {"model", "data", "losses", "training"}


def test_two_runs_share_nothing():
    a = Config(model=ModelConfig(classes=2), data=DataConfig(name="a"))
    assert a.losses == LossConfig()
    assert a.training == TrainingConfig()
