r"""Scores under named protocols: against formulas, against the toy's own scores, and refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image

from ecgan import Generator, ModelConfig
from ecgan.config import Config, DataConfig
from ecgan.data import toy
from ecgan.data.examples import Counted, Example, folder_examples, toy_examples
from ecgan.evaluation import metrics
from ecgan.evaluation.evaluate import Counts, Evaluation, Made, evaluate, paint, read_classes
from ecgan.evaluation.metrics import SUBSETS, SegmenterFeatures, kid
from ecgan.evaluation.protocols import PROTOCOLS, Distance, EvaluationError, Segmentation, protocol
from ecgan.evaluation.score import score
from ecgan.files import records
from ecgan.method.layouts import IGNORE
from ecgan.readers.segmenter import DilatedJudge, UNet

MODEL = ModelConfig(classes=9, height=32, width=32, base_channels=2, spade_hidden=4)
CONFIG = Config(model=MODEL, data=DataConfig(name="toy"))


class Reader(torch.nn.Module):
    r"""Reads a class off the red channel: class k is the level 20 k."""

    def __init__(self, *, classes: int):
        super().__init__()
        self.levels = torch.arange(classes) * 20.0

    def forward(self, images):
        red = (rearrange(images[:, 0], "b h w -> b 1 h w") + 1) * 127.5
        return -(red - rearrange(self.levels, "k -> k 1 1")).abs()


def painted(labels: torch.Tensor) -> torch.Tensor:
    r"""What Reader reads back as ``labels``."""
    return (labels * 20.0 / 127.5 - 1).float().expand(3, *labels.shape)


def make(count: int = 12, **more) -> Evaluation:
    judge = DilatedJudge(classes=9, width=3, dilations=(1, 2)).eval()
    scenes = toy_examples(CONFIG, count=count, seed=1)
    setup = {
        "made": list(paint(Generator(MODEL), scenes, batch_size=5)),
        "classes": 9,
        "training": [scene.image for scene in toy_examples(CONFIG, count=count, seed=0)],
        "segmenter": judge,
        "segmenter_name": "judge",
        "features": SegmenterFeatures(segmenter=judge),
        "features_name": "means of the judge's maps",
        "batch_size": 5,
    }
    return Evaluation(**setup | more)


def by_name(rows: list[dict]) -> dict[tuple[str, str], float]:
    return {(row["metric"], row["protocol"]["name"]): row["value"] for row in rows}


# The numbers themselves.


def test_kid_is_the_unbiased_estimate(monkeypatch) -> None:
    made, real = torch.randn(9, 4).double(), torch.randn(9, 4).double() + 0.5

    def kernel(a, b):
        return (a @ b.T / 4 + 1) ** 3

    def without_diagonal(k):
        return (k.sum() - k.diagonal().sum()) / 72

    expected = without_diagonal(kernel(real, real)) + without_diagonal(kernel(made, made))
    expected -= 2 * kernel(real, made).mean()
    state = torch.get_rng_state()
    monkeypatch.setattr(metrics, "SUBSETS", 3)
    monkeypatch.setattr(metrics, "SUBSET_SIZE", 100)
    value, deviation = kid(made, real)
    assert value == pytest.approx(expected.item(), rel=1e-6)
    assert deviation == pytest.approx(0, abs=1e-9)  # every subset is the whole
    assert torch.equal(torch.get_rng_state(), state)
    more = torch.randn(120, 4)
    assert kid(more, more + 1) == kid(more, more + 1)
    assert kid(more, more + 1)[1] > 0


def test_counting_ignored_pixels_or_not() -> None:
    labels = torch.tensor([[[0, 0, 1, 1], [0, IGNORE, IGNORE, 1]]])
    read = torch.tensor([[[0, 1, 1, 1], [0, 0, 1, 1]]])
    counts = Counts(classes=3)
    counts.add(read, labels)
    mean, correct, each = counts.scores("left out")
    assert each == [pytest.approx(2 / 3), pytest.approx(3 / 4), None]
    assert mean == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert correct == pytest.approx(5 / 6)
    mean, correct, each = counts.scores("counted")
    assert each == [pytest.approx(2 / 4), pytest.approx(3 / 5), None]
    assert correct == pytest.approx(5 / 8)


def test_pictures_are_read_at_any_size() -> None:
    network = UNet(classes=4, width=2, depth=3).eval()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    assert read_classes(network, images, size=(50, 37)).shape == (2, 50, 37)
    assert torch.equal(read_classes(network, images, size=(32, 32)), network(images).argmax(1))
    labels = torch.randint(5, (4, 6))
    picture = painted(labels)[None]
    assert torch.equal(read_classes(Reader(classes=5), picture, size=(4, 6))[0], labels)


def test_agrees_with_the_scores_of_a_judge() -> None:
    setup = make(count=20)
    rows = by_name(evaluate(setup, ["fid-validation", "miou-native"]))
    scenes = toy.scenes(20, height=32, width=32, seed=1)
    pictures = torch.stack([one.picture for one in setup.made])
    expected = score(pictures, scenes, setup.segmenter)
    assert rows["miou", "miou-native"] == pytest.approx(expected.mean_iou)
    assert rows["accuracy", "miou-native"] == pytest.approx(expected.accuracy)
    assert rows["fid", "fid-validation"] == pytest.approx(expected.frechet, rel=1e-9)
    with pytest.raises(EvaluationError, match=r"6 images for 6 features.*score more images$"):
        score(pictures[:6], toy.Scenes(*(part[:6] for part in scenes)), setup.segmenter)


class Echo(Generator):
    r"""A generator whose picture shows its layout, so that only the protocol makes a difference."""

    def forward(self, semantics):
        shown = torch.stack([painted(one.argmax(0)) for one in semantics])
        return replace(super().forward(semantics), final=shown)


def test_upsampled_scores_at_the_size_of_the_label_files() -> None:
    r"""Thin things that a small layout cannot hold are missed only where they are looked for."""
    whole = torch.zeros(64, 64, dtype=torch.long)
    whole[1::2] = 1  # every second row; at half size only class 0 is left
    scene = Example(whole[::2, ::2], torch.zeros(32, 32, dtype=torch.long), torch.zeros(3, 32, 32),
                    whole)  # fmt: skip
    generator = Echo(replace(MODEL, classes=5))
    made = paint(generator, Counted(count=1, make=lambda: iter([scene])))
    setup = Evaluation(made=made, classes=5, segmenter=Reader(classes=5))
    rows = by_name(evaluate(setup, ["miou-native", "miou-upsampled"]))
    assert rows["accuracy", "miou-native"] == 1
    assert rows["accuracy", "miou-upsampled"] == 0.5


# Rows.


def test_a_row_says_all_that_is_needed_to_make_it_again() -> None:
    names = [name for name in PROTOCOLS if "upsampled" not in name and "lite" not in name]
    facts = {"config": CONFIG.to_dict(), "seed": 3}
    rows = evaluate(make(), names, facts=facts)
    assert [row["protocol"]["name"] for row in rows if row["metric"] != "accuracy"] == names
    for row in rows:
        assert {"metric", "value", "protocol", "config", "seed", "commit", "versions", "device",
                "time"} <= row.keys()  # fmt: skip
        said = row["protocol"]
        assert said["says"] == PROTOCOLS[said["name"]].says
        assert np.isfinite(row["value"])
        json.dumps(row, allow_nan=False)
    named = {row["protocol"]["name"]: row["protocol"] for row in rows}
    assert named["fid-training"]["reference"] == "training"
    assert named["fid-training"]["features"] == "means of the judge's maps"
    assert named["fid-validation"]["images"] == named["fid-validation"]["real"] == 12
    assert named["fid-validation"]["few"] is False
    assert (named["kid-validation"]["subsets"], named["kid-validation"]["subset_size"]) == (
        SUBSETS,
        12,
    )
    assert named["miou-native-255-counted"]["ignored"] == "counted"
    assert named["miou-native"]["segmenter"] == "judge"
    assert named["miou-native"]["images"] == 12
    values = by_name(rows)
    assert values["fid", "fid-validation"] != values["fid", "fid-training"]


def test_every_protocol_has_words_of_its_own() -> None:
    said = [one.says for one in PROTOCOLS.values()]
    assert len(set(said)) == len(said) == 12
    for name, one in PROTOCOLS.items():
        assert protocol(name) is one
        assert isinstance(one, Distance | Segmentation)
    with pytest.raises(EvaluationError, match=r"no protocol 'fid50k'; there are fid-validation"):
        protocol("fid50k")


# Refusals.


def test_too_few_images_for_a_frechet_distance_are_refused() -> None:
    setup = make(count=6)
    dim = setup.features.num_features
    with pytest.raises(EvaluationError, match=rf"6 images for {dim} features.*kid.*few=True"):
        evaluate(setup, ["fid-validation"])
    rows = evaluate(replace(setup, few=True), ["fid-validation"])
    assert rows[0]["protocol"]["few"] is True
    unknown = replace(setup, made=iter(setup.made))  # counted only when they are made
    with pytest.raises(EvaluationError, match=rf"6 images for {dim} features"):
        evaluate(unknown, ["fid-validation"])
    assert evaluate(setup, ["kid-validation"])[0]["metric"] == "kid"


def test_too_few_are_refused_before_any_picture_is_made() -> None:
    def never():
        raise AssertionError("a picture was made for nothing")
        yield

    few, many = Counted(count=6, make=never), Counted(count=999, make=never)
    for name, parts in {
        "fid-validation": {"made": few},
        "fid-training": {"made": many, "training": few},
    }.items():
        with pytest.raises(EvaluationError, match="6 images for"):
            evaluate(make(**parts), [name])


@pytest.mark.parametrize(
    ("missing", "names", "said"),
    [
        ({"segmenter": None}, ["miou-native"], "judge="),
        ({"features": None}, ["kid-training"], "features="),
        ({"training": None}, ["fid-training"], "training_data="),
    ],
)
def test_what_a_protocol_lacks_is_named(missing, names, said) -> None:
    with pytest.raises(EvaluationError, match=said):
        evaluate(make(**missing), names)


@pytest.mark.parametrize(("protocol", "count"), [("kid-validation", 1), ("fid-validation", 1)])
def test_one_image_has_no_spread(protocol: str, count: int) -> None:
    with pytest.raises(EvaluationError, match=r"1 made and 1 real images.*two a side"):
        evaluate(make(count=count, few=True), [protocol])
    two = evaluate(make(count=2, few=True), [protocol])
    assert np.isfinite(two[0]["value"])


def test_distances_want_two_images_on_each_side() -> None:
    many, one = torch.randn(9, 4), torch.randn(1, 4)
    for distance in (metrics.fid, kid):
        for pair in ((many, one), (one, many), (one, one)):
            with pytest.raises(EvaluationError, match="two a side"):
                distance(*pair)


def test_nothing_to_read_is_refused() -> None:
    setup = make(count=2)
    blank = [one._replace(scene=one.scene._replace(labels=torch.full((32, 32), IGNORE)))
             for one in setup.made]  # fmt: skip
    with pytest.raises(EvaluationError, match="2 images without one pixel of a known class"):
        evaluate(replace(setup, made=blank), ["miou-native"])
    with pytest.raises(EvaluationError, match="no pictures to score"):
        evaluate(replace(setup, made=[]), ["miou-native"])


def test_a_score_that_is_no_number_is_refused() -> None:
    setup = make(count=4, few=True)
    broken = [one._replace(picture=one.picture * float("nan")) for one in setup.made]
    for name in ("kid-validation", "fid-validation"):
        with pytest.raises(EvaluationError, match=r"no number.*NaN"):
            evaluate(replace(setup, made=broken), [name])


def test_pictures_from_anywhere_are_scored() -> None:
    r"""No generator is needed: the real pictures of the scenes are at no distance from them."""
    scenes = list(toy_examples(CONFIG, count=12, seed=1))
    real = [Made(scene.image, scene) for scene in scenes]
    rows = by_name(evaluate(make(made=real), ["fid-validation"]))
    assert rows["fid", "fid-validation"] == pytest.approx(0, abs=1e-9)


# Scenes to score on.


def test_toy_examples_are_the_scenes_of_their_seed() -> None:
    scenes = toy.scenes(70, height=32, width=32, seed=1)
    made = list(toy_examples(CONFIG, count=70, seed=1))
    assert len(made) == 70
    assert torch.equal(made[66].labels, scenes.labels[66])
    assert torch.equal(made[66].image, scenes.images[66])
    assert torch.equal(made[66].whole, scenes.labels[66])


def test_folder_examples_keep_the_labels_at_their_files_size(tmp_path) -> None:
    toy.write_folder(tmp_path, 3, height=64, width=96, seed=1)
    made = list(folder_examples(tmp_path, config=CONFIG))
    assert len(made) == 3
    expected = np.array(Image.open(tmp_path / "labels" / "00001.png"))
    assert np.array_equal(made[1].whole.numpy(), expected)
    assert made[1].labels.shape == (32, 32)
    assert made[1].image.shape == (3, 32, 32)
    assert len(list(folder_examples(tmp_path, config=CONFIG, count=2))) == 2
    assert len(folder_examples(tmp_path, config=CONFIG, count=2)) == 2
    assert len(folder_examples(tmp_path, config=CONFIG, count=9)) == 3


# Files of rows.


def test_rows_are_added_and_read(tmp_path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    assert records.read(path) == []
    records.append(path, [{"value": 1.5}, {"value": float("nan"), "deep": [float("inf")]}])
    records.append(path, [{"value": 2}])
    assert records.read(path) == [{"value": 1.5}, {"value": None, "deep": [None]}, {"value": 2}]
    path.write_text('{"value": 1}\n{"val')
    assert records.read(path) == [{"value": 1}]
    path.write_text('{"value": 1\n{"value": 2}\n')
    with pytest.raises(records.RecordError, match="line 1 is no JSON"):
        records.read(path)


def test_the_commit_is_known_in_a_checkout(root) -> None:
    found = records.commit()
    if (root / ".git").exists():
        assert len(found.rstrip("+")) == 40
    assert {"python", "torch", "ecgan", "numpy"} <= records.versions().keys()
