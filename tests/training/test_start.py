r"""A run that starts from a trained generator: how long that one waits, what is refused."""

import json
from dataclasses import replace

import pytest
import torch

from ecgan.config import ConfigError
from ecgan.method.generator import Generator
from ecgan.training import RunError, RunSettings, Start, Trainer, fit, toy_batches
from ecgan.weights.checkpoint import load
from support import tiny_run

CONFIG = tiny_run.config(steps=4, batch_size=2, ema=0)
SETTINGS = RunSettings(sample_every=0, checkpoint_every=2, cpu=True)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(11)
    return Generator(CONFIG.model)


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in network.parameters()])


def test_the_generator_waits_for_the_discriminator(generator):
    start = Start(generator=generator, discriminator_first=2)
    trainer = Trainer(config=CONFIG, segmenter=tiny_run.segmenter(), start=start)
    given, batches = weights(generator), toy_batches(CONFIG)
    judge = weights(trainer.discriminator)
    moved = []
    for _ in range(4):
        trainer.step(next(batches))
        moved.append(not torch.equal(weights(trainer.generator), given))
    assert moved == [False, False, True, True]
    assert not torch.equal(weights(trainer.discriminator), judge)


def test_without_waiting_it_moves_at_once(generator):
    start = Start(generator=generator, discriminator_first=0)
    trainer = Trainer(config=CONFIG, segmenter=tiny_run.segmenter(), start=start)
    trainer.step(next(toy_batches(CONFIG)))
    assert not torch.equal(weights(trainer.generator), weights(generator))


def test_a_run_that_still_waits_gives_the_weights_back(generator, tmp_path):
    start, soon = Start(generator=generator, discriminator_first=3), replace(SETTINGS, minutes=0)
    outcome = fit(CONFIG, tmp_path, segmenter=tiny_run.segmenter(), start=start, settings=soon)
    assert 0 < outcome.step < 3
    assert torch.equal(weights(load(outcome.result)), weights(generator))
    facts = json.loads((tmp_path / "run.json").read_text())["start"]
    assert facts["weights"].startswith("Generator ")
    assert facts["discriminator_first"] == 3


def test_it_goes_on_from_its_checkpoint_and_from_no_other_start(generator, tmp_path):
    def go(folder, **how):
        start = Start(generator=generator, discriminator_first=1)
        how = {"start": start, "settings": SETTINGS} | how
        return fit(CONFIG, tmp_path / folder, segmenter=tiny_run.segmenter(), **how)

    whole = go("whole")
    stopped = go("parts", settings=replace(SETTINGS, minutes=0))
    assert stopped.ended == "out of time"
    assert torch.equal(weights(go("parts").generator), weights(whole.generator))
    other = Start(generator=generator, discriminator_first=2)
    with pytest.raises(RunError, match=r"start\.discriminator_first: was 1, is 2"):
        go("parts", start=other)
    with pytest.raises(RunError, match=r"start: was .*, is None"):
        go("parts", start=None)


def test_weights_of_another_model_are_refused(generator):
    wider = tiny_run.config(model={"spade_hidden": 16})
    start = Start(generator=generator, discriminator_first=1)
    with pytest.raises(RunError, match=r"model\.spade_hidden: in the weights 8, in this run 16"):
        Trainer(config=wider, segmenter=tiny_run.segmenter(), start=start)


def test_a_run_that_would_only_wait_is_refused(generator, tmp_path):
    start = Start(generator=generator, discriminator_first=4)
    with pytest.raises(RunError, match="would wait for 4 steps, and the run has 4"):
        fit(CONFIG, tmp_path / "run", segmenter=tiny_run.segmenter(), start=start)
    assert not (tmp_path / "run").exists()


def test_nobody_waits_less_than_nothing(generator):
    with pytest.raises(ConfigError, match="discriminator_first is -1"):
        Start(generator=generator, discriminator_first=-1)
