r"""The loop: its gradients, its schedule, its average, its data; and that it learns."""

import math
import sys
from dataclasses import replace
from itertools import islice

import pytest
import torch

from ecgan.config import ConfigError, TrainingConfig
from ecgan.data import toy
from ecgan.files.progress import quiet
from ecgan.method.edges import TOY, edge_maps
from ecgan.method.layouts import semantics
from ecgan.method.losses import NonFiniteLoss
from ecgan.training import Trainer, linear_decay, toy_batches, train
from support import tiny_run
from support.networks import awake

STILL = 1e-30  # a learning rate that leaves float32 weights where they are


def trainer(**training) -> Trainer:
    return Trainer(config=tiny_run.config(**training), segmenter=tiny_run.segmenter())


def batches(config=None):
    return toy_batches(config or tiny_run.config())


def state(run: Trainer) -> dict[str, torch.Tensor]:
    networks = {"g": run.generator, "d": run.discriminator, "o": run.objective}
    return {
        f"{letter}.{name}": value.clone()
        for letter, network in networks.items()
        for name, value in network.state_dict().items()
    }


def gradients(parameters) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in parameters])


def test_linear_decay():
    factor = linear_decay(TrainingConfig(steps=10, constant=0.5))
    assert [round(factor(step), 9) for step in range(12)] == [
        *[1] * 6, 0.8, 0.6, 0.4, 0.2, 0, 0,
    ]  # fmt: skip
    assert [linear_decay(TrainingConfig(steps=4, constant=0))(s) for s in range(5)] == [
        1, 0.75, 0.5, 0.25, 0,
    ]  # fmt: skip
    always = linear_decay(TrainingConfig(steps=4, constant=1))
    assert [always(step) for step in range(4)] == [1] * 4
    assert always(4) == 0


def test_the_schedule_reaches_both_optimisers():
    run = trainer(steps=4, constant=0.5, generator_rate=0.01, discriminator_rate=0.02)
    rates = []
    for batch in islice(batches(), 4):
        run.step(batch)
        rates.append([optimiser.param_groups[0]["lr"] for optimiser in run.optimisers])
    expected = [1, 1, 0.5, 0]
    assert rates == [pytest.approx([0.01 * share, 0.02 * share]) for share in expected]


def test_adam_is_the_released_one():
    run = Trainer(
        config=replace(tiny_run.config(), training=TrainingConfig()), segmenter=tiny_run.segmenter()
    )
    groups = [optimiser.param_groups[0] for optimiser in run.optimisers]
    assert [group["lr"] for group in groups] == [1e-4, 4e-4]
    assert [group["betas"] for group in groups] == [(0, 0.9)] * 2
    assert all(isinstance(optimiser, torch.optim.Adam) for optimiser in run.optimisers)
    own = [*run.generator.parameters(), *run.objective.own_parameters()]
    assert [id(p) for p in groups[0]["params"]] == [id(p) for p in own]
    assert [id(p) for p in groups[1]["params"]] == [id(p) for p in run.discriminator.parameters()]


@pytest.mark.parametrize("simultaneous", [True, False])
def test_each_network_has_the_gradient_of_its_own_loss(simultaneous):
    run = trainer(simultaneous=simultaneous, generator_rate=STILL, discriminator_rate=STILL)
    run.generator.eval()
    run.discriminator.eval()
    batch = next(batches())
    torch.manual_seed(4)
    run.step(batch)

    torch.manual_seed(4)
    made = run.generator(batch.semantics)
    fake = run.discriminator.discriminate(batch.semantics, made.pictures())
    real = run.discriminator.discriminate(batch.semantics, batch.targets(fake))
    loss = run.objective.generator_terms(made, batch, fake, real).total
    learned = run.players["generator"].parameters
    expected = torch.autograd.grad(loss, learned, retain_graph=True)
    expected = torch.cat([gradient.flatten() for gradient in expected])
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(gradients(learned), expected, rtol=1e-3, atol=1e-4)

    fixed = {name: picture.detach() for name, picture in made.pictures().items()}
    fake = run.discriminator.discriminate(batch.semantics, fixed)
    real = run.discriminator.discriminate(batch.semantics, batch.targets(fake))
    loss = run.objective.discriminator_terms(fake, real).total
    learned = run.players["discriminator"].parameters
    expected = torch.autograd.grad(loss, learned)
    expected = torch.cat([gradient.flatten() for gradient in expected])
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(gradients(learned), expected, rtol=1e-3, atol=1e-4)


def test_simultaneous_and_alternating_gradients_agree_at_the_same_weights():
    found = []
    for simultaneous in (True, False):
        run = trainer(simultaneous=simultaneous, generator_rate=STILL, discriminator_rate=STILL)
        run.generator.eval()
        run.discriminator.eval()
        torch.manual_seed(4)
        values = run.step(next(batches()))
        found.append([gradients(player.parameters) for player in run.players.values()])
        assert all(map(math.isfinite, values.values()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_alternating_shows_the_discriminator_fresh_fakes():
    run = trainer(simultaneous=False, generator_rate=0.5, discriminator_rate=STILL)
    together = trainer(simultaneous=True, generator_rate=0.5, discriminator_rate=STILL)
    batch = next(batches())
    values = []
    for each in (run, together):
        torch.manual_seed(4)
        awake(each.discriminator)  # at the start every score is near zero
        values.append(each.step(batch)["discriminator_fake"])
    assert abs(values[0] - values[1]) > 0.01


def test_a_step_moves_everything_that_is_trained():
    run = trainer()
    before = state(run)
    run.step(next(batches()))
    after = state(run)
    trained = {f"g.{name}" for name, _ in run.generator.named_parameters()}
    trained |= {f"d.{name}" for name, _ in run.discriminator.named_parameters()}
    # Biases before batch norm have almost no gradient, but Adam moves them all the same. The
    # scores' own bias has none at the start: real and fake patches pull it equally.
    still = {name for name in trained if torch.equal(before[name], after[name])}
    assert still <= {"d.scales.0.score.bias", "d.scales.1.score.bias"}
    assert not any(name.startswith("o.segmenter") and not torch.equal(before[name], after[name])
                   for name in before)  # fmt: skip
    heads = [name for name in before if name.startswith(("o.contrast.heads", "o.decoder"))]
    assert heads
    assert all(not torch.equal(before[name], after[name]) for name in heads)


@pytest.mark.parametrize("simultaneous", [True, False])
def test_the_same_seed_gives_the_same_run_to_the_bit(simultaneous):
    states = []
    for seed in (1, 1, 2):
        run = trainer(seed=seed, simultaneous=simultaneous, ema=0.5)
        for batch in islice(batches(run.config), 2):
            run.step(batch)
        states.append(state(run) | run.trained.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["g.encoder.entry.weight"], states[2]["g.encoder.entry.weight"])


def test_weights_start_from_the_seed():
    one, same, other = (state(trainer(seed=seed)) for seed in (1, 1, 2))
    drawn = [name for name in one if name.endswith("weight") and "segmenter" not in name]
    assert {name[0] for name in drawn} == {"g", "d", "o"}
    for name in drawn:
        assert torch.equal(one[name], same[name]), name
        assert not torch.equal(one[name], other[name]), name


def test_the_average_by_hand():
    run = trainer(ema=0.75)
    name = "encoder.entry.weight"
    expected = None
    for batch in islice(batches(), 3):
        run.step(batch)
        weight = run.generator.state_dict()[name]
        expected = weight.clone() if expected is None else 0.75 * expected + 0.25 * weight
    torch.testing.assert_close(run.trained.state_dict()[name], expected)
    assert run.trained is not run.generator
    buffer = "encoder.blocks.0.norm_0.normalise.running_mean"
    assert not torch.equal(run.trained.state_dict()[buffer], run.generator.state_dict()[buffer])


def test_without_an_average_the_generator_is_the_result():
    run = trainer()
    assert run.trained is run.generator


def weights(run: Trainer) -> list[torch.Tensor]:
    return [weight.clone() for player in run.players.values() for weight in player.parameters]


@pytest.mark.parametrize("simultaneous", [True, False])
def test_a_broken_image_stops_the_step_before_any_update(simultaneous):
    run = trainer(simultaneous=simultaneous)
    batch = next(batches())
    batch.images[0, 0, 0, 0] = float("nan")
    before = weights(run)
    with pytest.raises(NonFiniteLoss, match=r"feature matching loss: input \d+ .* NaN"):
        run.step(batch)
    assert all(map(torch.equal, before, weights(run)))


def test_training_learns():
    config = tiny_run.config(steps=40, generator_rate=3e-3, discriminator_rate=1e-3)
    run = Trainer(config=config, segmenter=tiny_run.segmenter())
    history = train(run, toy_batches(config), log_every=10)
    first, *_, last = history.rows
    assert last["perceptual"] < 0.75 * first["perceptual"]
    assert last["contrastive"] < first["contrastive"]


def test_the_log_holds_every_term_weighted():
    run = trainer(steps=5)
    seen = []
    history = train(
        run, batches(), log_every=2, after_step=lambda step, it: seen.append((step, it))
    )
    assert [row["step"] for row in history.rows] == [1, 2, 4, 5]
    assert seen == [(step, run) for step in range(1, 6)]
    terms = {"adversarial", "feature_matching", "perceptual", "contrastive", "class_specific"}
    terms |= {"cross_entropy", "similarity", "discriminator_fake", "discriminator_real"}
    for row in history.rows:
        assert set(row) == terms | {"step", "seconds"}
        assert all(isinstance(value, float | int) for value in row.values())
    seconds = [row["seconds"] for row in history.rows]
    assert seconds == sorted(seconds)
    assert not run.trained.training


def test_a_budget_of_seconds_ends_the_run():
    run = trainer(steps=10_000)
    history = train(run, batches(), seconds=0)
    assert [row["step"] for row in history.rows] == [1]


@pytest.mark.parametrize("model", [
    {"edge_transfer": False},
    {"edge_branch": False, "edge_transfer": False},
    {"semantic_preserving": False},
    {"edge_branch": False, "edge_transfer": False, "semantic_preserving": False},
    {"instance_boundaries": True},
])  # fmt: skip
@pytest.mark.parametrize("simultaneous", [True, False])
def test_every_variant_trains(model, simultaneous):
    config = tiny_run.config(model=model, simultaneous=simultaneous)
    run = Trainer(config=config, segmenter=tiny_run.segmenter())
    values = run.step(next(toy_batches(config)))
    assert {"adversarial", "discriminator_fake", "similarity"} <= set(values)
    assert all(map(math.isfinite, values.values()))


@pytest.mark.parametrize(("switch", "found"), [("1", True), ("yes", True), ("0", False)])
def test_one_switch_for_progress_bars(monkeypatch, switch, found):
    monkeypatch.setenv("ECGAN_QUIET", switch)
    assert quiet() == found


def test_without_the_switch_bars_need_a_terminal_or_a_notebook(monkeypatch):
    monkeypatch.delenv("ECGAN_QUIET")
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert quiet()
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert not quiet()
    monkeypatch.delitem(sys.modules, "ipykernel")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert not quiet()


def test_toy_batches_hold_each_scene_once_an_epoch():
    config = tiny_run.config()
    epoch = list(islice(toy_batches(config), 8))
    scenes = toy.scenes(12, height=32, width=32, seed=0)
    edges = edge_maps(scenes.images, settings=TOY)
    places = []
    for batch in epoch:
        assert batch.images.shape == (3, 3, 32, 32)
        for labels, layout, image, edge in zip(*batch, strict=True):
            (place,) = [i for i, known in enumerate(scenes.images) if torch.equal(known, image)]
            places.append(place)
            assert torch.equal(labels, scenes.labels[place])
            assert torch.equal(edge, edges[place])
            assert torch.equal(layout, semantics(labels[None], config=config.model)[0])
    assert sorted(places[:12]) == sorted(places[12:]) == list(range(12))
    assert places[:12] != places[12:]


def test_a_scene_is_drawn_when_a_batch_needs_it_and_once(monkeypatch):
    drawn, real = [], toy.scenes

    def scenes(count, **where):
        drawn.extend(range(where["start"], where["start"] + count))
        return real(count, **where)

    monkeypatch.setattr(toy, "scenes", scenes)
    config = tiny_run.config()
    resumed = toy_batches(config, start=5)
    next(resumed)
    assert len(drawn) == config.training.batch_size
    list(islice(resumed, 8))
    assert sorted(drawn) == list(range(12))


def test_resumed_batches_are_those_of_the_whole_row():
    whole = list(islice(batches(), 9))
    for start in (1, 4, 7):
        for one, other in zip(whole[start], next(toy_batches(tiny_run.config(), start=start))):
            assert torch.equal(one, other)
            assert one.dtype == other.dtype


def test_toy_batches_repeat_by_seed():
    one, same, other = (next(toy_batches(tiny_run.config(seed=seed))).images for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_toy_batches_leave_out_what_fills_no_batch():
    config = tiny_run.config(batch_size=5)
    assert all(len(batch.images) == 5 for batch in islice(toy_batches(config), 6))


def test_edge_targets_may_be_another():
    batch = next(toy_batches(tiny_run.config(), edge_targets=lambda images: -images))
    assert torch.equal(batch.edges, -batch.images)


def test_toy_batches_refuse_what_they_cannot_give():
    with pytest.raises(ConfigError, match="toy world has 9 classes; this config has 5"):
        next(toy_batches(tiny_run.config(model={"classes": 5})))
    with pytest.raises(ConfigError, match="images is 12 and batch_size 13: no batch"):
        next(toy_batches(tiny_run.config(batch_size=13)))
