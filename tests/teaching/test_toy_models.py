r"""The models that ship with the package: how well they do, what they weigh, how they are made."""

from dataclasses import replace

import pytest
import torch
from einops import einsum

from ecgan import Discriminator, Generator
from ecgan.data import toy
from ecgan.evaluation.score import score
from ecgan.evaluation.yardsticks import RESULTS
from ecgan.files import records
from ecgan.method.layouts import one_hot
from ecgan.method.losses.pixel_contrast import ProjectionHead
from ecgan.readers.segmenter import DilatedJudge, UNet
from ecgan.synthesis import synthesize
from ecgan.teaching import toy_models
from ecgan.teaching.toy_models import (
    HELD_OUT_SEED,
    large_variants,
    make_generator,
    make_segmenter,
    recalibrate,
    toy_variants,
)
from ecgan.training.segmenters import jitter
from ecgan.training.settings import RunSettings, as_json
from ecgan.weights.checkpoint import WEIGHTS, load, notes, shipped
from support import tiny_run
from support.configs import with_defaults
from support.networks import awake

COUNT = 500
SOME = 120  # at 128 pixels, where a picture takes four times as long; the stored scores are of all
KINDS = {
    "toy": Generator,
    "toy_without_transfer": Generator,
    "toy_without_contrastive": Generator,
    "toy_segmenter": UNet,
    "toy_judge": DilatedJudge,
    "toy_discriminator": Discriminator,
    "toy_projection": ProjectionHead,
    "aerial": Generator,
    "aerial_segmenter": UNet,
    "toy_128": Generator,
    "toy_segmenter_128": UNet,
    "toy_judge_128": DilatedJudge,
    "aerial_judge": DilatedJudge,
}
THERE = {path.stem for path in WEIGHTS.glob("*.safetensors")}
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def held_out() -> toy.Scenes:
    return toy.scenes(COUNT, seed=HELD_OUT_SEED)


@pytest.fixture(scope="module")
def judge() -> DilatedJudge:
    return shipped("toy_judge")


@pytest.fixture(scope="module")
def final(held_out) -> torch.Tensor:
    generator = shipped("toy")
    return torch.cat([synthesize(generator, labels).final for labels in held_out.labels.split(50)])


def size(*names: str) -> int:
    return sum((WEIGHTS / f"{name}.safetensors").stat().st_size for name in names)


def test_no_training_layout_is_held_out():
    training = toy.scenes(20, seed=0)
    held_out = toy.scenes(20, seed=HELD_OUT_SEED)
    assert HELD_OUT_SEED not in {seed for _, seed, _ in toy_models.SEGMENTERS.values()} | {0}
    assert not any(torch.equal(a, b) for a in training.labels for b in held_out.labels)


@pytest.mark.slow
def test_the_toy_generator_before_the_judge(final, held_out, judge):
    found = score(final, held_out, judge)
    assert found.mean_iou >= 0.93, found
    assert min(found.class_iou[name] for name in toy.TINY) >= 0.80, found
    assert found.accuracy > 0.95, found
    some = toy.Scenes(*(part[:100] for part in held_out))
    flat = score(flat_colours(some), some, judge)
    assert found.frechet < 0.1 * flat.frechet, (found.frechet, flat.frechet)


@pytest.mark.slow
def test_the_toy_generator_before_the_label_generator(final, held_out):
    found = score(final, held_out, shipped("toy_segmenter"))
    assert found.mean_iou >= 0.85, found
    assert min(found.class_iou[name] for name in toy.TINY) >= 0.60, found


@pytest.mark.slow
@pytest.mark.parametrize("name", large_variants())
def test_the_large_generator_before_its_judge(name):
    model = large_variants()[name].model
    size = {"height": model.height, "width": model.width}
    scenes, generator = toy.scenes(SOME, seed=HELD_OUT_SEED, **size), shipped(name)
    final = torch.cat([synthesize(generator, labels).final for labels in scenes.labels.split(10)])
    found = score(final, scenes, shipped("toy_judge_128"))
    assert found.mean_iou >= 0.95, found
    assert min(found.class_iou[name] for name in toy.TINY) >= 0.88, found


def test_the_large_generator_s_stored_scores():
    rows = records.read(RESULTS / "toy_128.jsonl")
    at_128 = [row for row in rows if row["painter"] == "final" and row["metric"] in ("miou", "fid")]
    found = {(row["checkpoint"], row["metric"]): row for row in at_128}
    read = found["toy_128", "miou"]
    assert read["protocol"]["images"] == 500
    assert read["value"] >= 0.95
    assert min(read["classes"][toy.CLASSES.index(name)] for name in toy.TINY) >= 0.88
    assert found["toy_128", "fid"]["value"] < 0.5 * found["toy", "fid"]["value"]
    assert {tuple(row["size"]) for row in at_128} == {(128, 128)}


@pytest.mark.slow
def test_the_segmenters_read_real_scenes(held_out, judge):
    some = toy.Scenes(*(part[:150] for part in held_out))
    for segmenter, least in ((judge, 0.95), (shipped("toy_segmenter"), 0.85)):
        found = score(some.images, some, segmenter)
        assert found.mean_iou >= least, found
        assert found.frechet == pytest.approx(0, abs=1e-6)


def flat_colours(scenes: toy.Scenes) -> torch.Tensor:
    r"""Each layout painted in its classes' mean colours: right everywhere, and no street."""
    layout = one_hot(scenes.labels, classes=len(toy.CLASSES))
    sums = einsum(scenes.images, layout, "b c h w, b k h w -> k c")
    means = sums / einsum(layout, "b k h w -> k").clamp(min=1)[:, None]
    return einsum(layout, means, "b k h w, k c -> b c h w")


def test_what_ships_stays_small():
    assert size("toy", "toy_segmenter") <= 10 * MEGABYTE
    assert size("aerial", "aerial_segmenter", "aerial_judge") <= 12 * MEGABYTE
    assert size(*(path.stem for path in WEIGHTS.glob("*.safetensors"))) <= 40 * MEGABYTE


@pytest.mark.parametrize("name", KINDS)
def test_what_ships_loads(name):
    network = shipped(name)
    assert type(network) is KINDS[name]
    assert not network.training
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_nothing_else_ships():
    assert {*KINDS, "failures"} == THERE  # the recorded runs of chapter 08


GENERATORS = toy_variants() | large_variants()
SEGMENTERS = toy_models.SEGMENTERS | toy_models.LARGE_SEGMENTERS


@pytest.mark.parametrize("name", GENERATORS)
def test_the_weights_were_made_by_the_config_of_today(name):
    written = notes(WEIGHTS / f"{name}.safetensors")
    assert with_defaults(written["config"]) == as_json(GENERATORS[name])
    assert shipped(name).config == GENERATORS[name].model
    steps = [row["step"] for row in written["history"]]
    assert steps[-1] == GENERATORS[name].training.steps
    assert steps == sorted(steps)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_segmenters_were_made_by_the_settings_of_today(name):
    build, seed, steps = SEGMENTERS[name]
    assert notes(WEIGHTS / f"{name}.safetensors") == {"seed": seed, "steps": steps}
    assert shipped(name).config == build().config


def test_variants_differ_in_what_their_names_say():
    whole, without_transfer, without_contrast = toy_variants().values()
    assert not without_transfer.model.edge_transfer
    assert replace(without_transfer, model=whole.model) == whole
    assert without_contrast.losses.contrastive == 0
    assert replace(without_contrast, losses=whole.losses) == whole
    terms = ("adversarial", "feature_matching", "perceptual", "contrastive", "similarity")
    assert all(getattr(whole.losses, term) > 0 for term in (*terms, "class_specific"))
    assert whole.model.edge_transfer
    assert whole.model.semantic_preserving


def test_a_score_tells_good_from_bad(judge):
    scenes = toy.scenes(80, seed=4)
    real = score(scenes.images, scenes, judge)
    flat = score(flat_colours(scenes), scenes, judge)
    assert real.mean_iou > flat.mean_iou > 0.1
    assert flat.frechet > 100 * max(real.frechet, 1e-6)
    assert list(real.class_iou) == list(toy.CLASSES)
    swapped = score(scenes.images, scenes._replace(labels=scenes.labels.roll(1, 0)), judge)
    assert swapped.mean_iou < 0.7 * real.mean_iou
    assert real.accuracy > swapped.accuracy


def test_jitter_keeps_the_shape_and_moves_each_image_its_own_way():
    images = torch.zeros(4, 3, 8, 8)
    moved = jitter(images)
    assert moved.shape == images.shape
    means = moved.mean(dim=(1, 2, 3))
    assert means.unique().numel() == 4
    assert moved.abs().max() < 1


@pytest.fixture
def few_scenes(monkeypatch):
    r"""Toy scenes by the dozen: drawing thousands would take the test's whole time."""
    draw = toy.scenes
    monkeypatch.setattr(toy, "scenes", lambda count, **how: draw(min(count, 8), **how))


def test_a_segmenter_is_made_and_stored(few_scenes, monkeypatch, tmp_path):
    build = lambda: UNet(classes=9, width=2, depth=1)  # noqa: E731
    monkeypatch.setitem(toy_models.SEGMENTERS, "toy_segmenter", (build, 2, 3))
    made = [make_segmenter("toy_segmenter", folder=tmp_path / str(i)) for i in range(2)]
    assert not made[0].training
    states = [network.state_dict() for network in made]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    loaded = load(tmp_path / "0" / "toy_segmenter.safetensors").state_dict()
    for name, value in states[0].items():
        torch.testing.assert_close(loaded[name], value, rtol=1e-3, atol=1e-4)
    assert notes(tmp_path / "0" / "toy_segmenter.safetensors") == {"seed": 2, "steps": 3}


def test_a_segmenter_learns(few_scenes):
    network = toy_models.train_segmenter(UNet(classes=9, width=8, depth=2), seed=2, steps=30)
    scenes = toy.scenes(8, seed=2)
    right = (network(scenes.images).argmax(1) == scenes.labels).float().mean()
    commonest = torch.bincount(scenes.labels.flatten()).max() / scenes.labels.numel()
    assert right > commonest + 0.1


def test_a_generator_is_made_and_stored(few_scenes, monkeypatch, tmp_path):
    build = lambda: UNet(classes=9, width=2, depth=1)  # noqa: E731
    monkeypatch.setitem(toy_models.SEGMENTERS, "toy_segmenter", (build, 2, 1))
    make_segmenter("toy_segmenter", folder=tmp_path)
    whole = toy_variants()["toy"]
    small = {"toy": replace(whole, data=replace(whole.data, images=8))}
    monkeypatch.setattr(toy_models, "toy_variants", lambda: small)
    generator = make_generator("toy", folder=tmp_path, steps=1)
    written = {path.stem for path in tmp_path.iterdir()}
    assert written == {"toy", "toy_segmenter", "toy_discriminator", "toy_projection"}
    labels = toy.scenes(1, seed=1).labels
    expected = synthesize(generator, labels).final
    found = synthesize(load(tmp_path / "toy.safetensors"), labels).final
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)
    assert notes(tmp_path / "toy.safetensors")["config"]["training"]["steps"] == 1
    features = torch.randn(5, generator.config.feature_channels)
    dim = toy_variants()["toy"].losses.contrast.dim
    assert load(tmp_path / "toy_projection.safetensors").project(features).shape == (5, dim)


def test_a_large_generator_is_made_stopped_and_gone_on_with(few_scenes, monkeypatch, tmp_path):
    r"""In a run's folder: the recipe of 128 pixels, at the size of a test."""
    build = lambda: UNet(classes=9, width=2, depth=2)  # noqa: E731
    monkeypatch.setitem(toy_models.LARGE_SEGMENTERS, "toy_segmenter_128", (build, 2, 1))
    monkeypatch.setattr(toy_models, "LARGE", 32)
    sides = []
    draw = toy.scenes
    monkeypatch.setattr(
        toy, "scenes", lambda n, **how: sides.append(how["height"]) or draw(n, **how)
    )
    make_segmenter("toy_segmenter_128", folder=tmp_path / "made")
    small = large_variants()["toy_128"]
    assert (small.model.height, small.model.width) == (32, 32)
    small = replace(small, data=replace(small.data, images=8), model=replace(tiny_run.MODEL))
    monkeypatch.setattr(toy_models, "large_variants", lambda: {"toy_128": small})
    how = {"folder": tmp_path / "made", "steps": 2, "run": tmp_path / "run"}
    monkeypatch.setattr(toy_models, "RunSettings", lambda **_: RunSettings(minutes=0))
    assert make_generator("toy_128", **how) is None
    assert not (tmp_path / "made" / "toy_128.safetensors").exists()
    monkeypatch.setattr(toy_models, "RunSettings", RunSettings)
    generator = make_generator("toy_128", **how)
    assert generator.config == small.model
    written = notes(tmp_path / "made" / "toy_128.safetensors")
    assert [row["step"] for row in written["history"]] == [1, 2], "it went on where it had stopped"
    assert set(sides) == {32}


def test_settling_makes_statistics_and_norms_the_weights_own(few_scenes):
    generator = awake(Generator(tiny_run.MODEL))
    for module in generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.fill_(5)
            module.running_var.fill_(0.01)
    labels = toy.scenes(8, height=32, width=32, seed=0).labels
    recalibrate(generator, labels)
    assert not generator.training
    seen = []
    norm = generator.encoder.blocks[-1].norm_0
    norm.register_forward_pre_hook(lambda spade, inputs: seen.append(spade.normalise(inputs[0])))
    synthesize(generator, labels)
    assert seen[0].mean().abs() < 1  # before, it was about -50
    assert 0.3 < seen[0].std() < 5
