r"""Painters that a score is held against: by hand, and as rows under the same protocols."""

from dataclasses import replace

import pytest
import torch

from ecgan import Generator, ModelConfig
from ecgan.config import Config, DataConfig
from ecgan.data.examples import Counted, Example, toy_examples
from ecgan.evaluation.evaluate import Evaluation, paint
from ecgan.evaluation.metrics import SegmenterFeatures
from ecgan.evaluation.model import as_table, evaluate_model
from ecgan.evaluation.protocols import PROTOCOLS, EvaluationError
from ecgan.evaluation.yardsticks import beside, class_colours, compare, flat, others, real, tells
from ecgan.method.layouts import IGNORE
from ecgan.readers.segmenter import DilatedJudge
from ecgan.synthesis import synthesize
from ecgan.weights.checkpoint import save

MODEL = ModelConfig(classes=9, height=32, width=32, base_channels=2, spade_hidden=4)
CONFIG = Config(model=MODEL, data=DataConfig(name="toy"))
NAMES = ("fid-validation", "kid-training", "miou-native")


def scene(labels: list[list[int]], image: torch.Tensor) -> Example:
    ids = torch.tensor(labels)
    return Example(ids, torch.zeros_like(ids), image, ids)


def counted(*scenes: Example) -> Counted[Example]:
    return Counted(count=len(scenes), make=lambda: iter(scenes))


def test_class_colours_are_means_over_all_scenes() -> None:
    first = scene([[0, 0], [1, IGNORE]], torch.tensor([[[0.2, 0.4], [1.0, -1.0]]] * 3))
    second = scene([[0, 1], [1, 1]], torch.tensor([[[0.9, 0.1], [0.1, 0.0]]] * 3))
    colours = class_colours(counted(first, second), classes=3)
    assert colours.shape == (4, 3)
    assert colours[0].tolist() == pytest.approx([0.5] * 3)
    assert colours[1].tolist() == pytest.approx([0.3] * 3)
    everything = (0.2 + 0.4 + 1.0 - 1.0 + 0.9 + 0.1 + 0.1 + 0.0) / 8
    assert colours[2].tolist() == pytest.approx([everything] * 3)  # never occurs
    assert colours[3].tolist() == pytest.approx([everything] * 3)  # don't care


def test_flat_pictures_hold_nothing_but_the_layout() -> None:
    colours = torch.tensor([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5], [0.6, 0.7, 0.8]])
    (made,) = flat(counted(scene([[1, 0], [IGNORE, 1]], torch.zeros(3, 2, 2))), colours)
    assert torch.equal(made.picture[:, 0, 0], colours[1])
    assert torch.equal(made.picture[:, 0, 1], colours[0])
    assert torch.equal(made.picture[:, 1, 0], colours[2])
    assert torch.equal(made.picture[:, 1, 1], colours[1])


def test_real_pictures_are_their_scenes_own_and_others_are_not() -> None:
    scenes = toy_examples(CONFIG, count=3, seed=1)
    training = toy_examples(CONFIG, count=2, seed=0)
    for made, own in zip(real(scenes), scenes, strict=True):
        assert torch.equal(made.picture, own.image)
    pairs = others(scenes, training)
    assert len(pairs) == len(list(pairs)) == 2  # as many as there are of both
    for made, own, other in zip(pairs, scenes, training, strict=False):
        assert torch.equal(made.picture, other.image)
        assert torch.equal(made.scene.image, own.image)


class Loud(Generator):
    r"""Its first image leaves [-1, 1]."""

    def forward(self, semantics):
        made = super().forward(semantics)
        return replace(made, first=made.final * 1e9 + 0.5)


def test_the_first_image_is_painted_as_a_file_would_hold_it() -> None:
    generator, scenes = Loud(MODEL), toy_examples(CONFIG, count=3, seed=1)
    made = synthesize(generator, torch.stack([one.labels for one in scenes]))
    assert made.first.abs().max() > 1
    for modality, expected in (("first", made.first), ("final", made.final)):
        pictures = torch.stack([one.picture for one in paint(generator, scenes, modality=modality)])
        assert torch.equal(pictures, expected.clamp(-1, 1))


def test_every_painter_has_the_protocols_that_tell_of_it() -> None:
    told = {
        painter: {name for name, one in PROTOCOLS.items() if tells(painter, one)}
        for painter in ("final", "first", "flat", "real", "training")
    }
    assert told["final"] == told["first"] == told["flat"] == set(PROTOCOLS)
    assert "fd-lite" not in told["real"]  # at no distance from themselves
    assert {"fd-lite-training", "miou-native"} <= told["real"]
    assert told["training"] == {"fid-validation", "kid-validation", "fd-lite", "kd-lite"}


def test_rows_name_their_painter_and_share_the_protocol() -> None:
    judge = DilatedJudge(classes=9, width=3, dilations=(1, 2)).eval()
    generator, scenes = Generator(MODEL), toy_examples(CONFIG, count=12, seed=1)
    training = toy_examples(CONFIG, count=12, seed=0)
    setup = Evaluation(
        made=paint(generator, scenes),
        classes=9,
        training=[one.image for one in training],
        segmenter=judge,
        features=SegmenterFeatures(segmenter=judge),
    )
    painters = {"final": setup.made} | beside(generator, scenes, training)
    rows = compare(setup, NAMES, painters, facts={"seed": 3})
    found = {(row["painter"], row["protocol"]["name"]) for row in rows}
    both = {"kid-training", "miou-native"}
    expected = {("real", name) for name in both} | {("training", "fid-validation")}
    expected |= {(painter, name) for painter in ("final", "first", "flat") for name in NAMES}
    assert found == expected
    assert all(row["seed"] == 3 for row in rows)
    values = {(row["painter"], row["metric"]): row["value"] for row in rows}
    # The floor: scenes of the same world are nearer than an untrained network's pictures.
    assert 0 < values["training", "fid"] < values["final", "fid"]


def test_a_models_rows_say_whose_pictures_they_are(tmp_path) -> None:
    save(tmp_path / "tiny.safetensors", Generator(MODEL))
    given = {"protocols": ("kid-validation", "miou-native"), "images": 6, "cpu": True}
    alone = evaluate_model(str(tmp_path / "tiny.safetensors"), **given)
    assert {row["painter"] for row in alone} == {"final"}
    rows = evaluate_model(str(tmp_path / "tiny.safetensors"), **given, yardsticks=True)
    assert [row["value"] for row in rows[:3]] == [row["value"] for row in alone]
    assert {row["painter"] for row in rows} == {"final", "first", "real", "training", "flat"}
    lines = as_table(rows).splitlines()
    assert [line.split()[0] for line in lines] == [row["painter"] for row in rows]


def test_one_class_is_left_out_of_what_is_told() -> None:
    labels = torch.zeros(3, 64, 64, dtype=torch.long)
    labels[1, 10, 10] = 4
    plain = [Example(one, one * 0, torch.full((3, 64, 64), 0.5), one) for one in labels]
    scenes = counted(*plain)
    generator = Generator(MODEL)
    told = [one.picture for one in beside(generator, scenes, scenes)["told"].make()]
    painted = [one.picture for one in paint(generator, scenes)]
    assert torch.equal(told[0], plain[0].image)
    assert torch.equal(told[1], painted[1])
    assert torch.equal(told[2], plain[2].image)
    assert not torch.equal(painted[0], plain[0].image)
    assert "told" not in beside(generator, counted(plain[1]), scenes)
    assert not tells("told", PROTOCOLS["miou-native"])
    assert tells("told", PROTOCOLS["fd-lite"])


def test_without_training_pictures_there_is_no_floor() -> None:
    with pytest.raises(EvaluationError, match="training_data="):
        beside(Generator(MODEL), toy_examples(CONFIG, count=1, seed=1), None)
