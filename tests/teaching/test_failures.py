r"""The recorded runs with one thing wrong: complete, and what today's code would make."""

import pytest
import torch

from ecgan.config import ConfigError
from ecgan.teaching import failures


def test_every_run_is_recorded_whole() -> None:
    runs = failures.recorded()
    assert list(runs) == [*failures.FAULTS, *failures.HIDDEN]
    looks = len({1, *range(failures.EVERY, failures.STEPS + 1, failures.EVERY)})
    for name, run in runs.items():
        for curve in (run.steps, run.real, run.made, run.distance):
            assert curve.shape == (looks,), name
            assert curve.isfinite().all(), name
        assert run.images.shape == (4, 3, 32, 32)
        assert run.images.abs().max() <= 1


def test_the_signs_that_chapter_08_reads() -> None:
    runs = failures.recorded()
    healthy = runs["healthy"]
    assert (healthy.real - healthy.made)[-10:].mean() > 1
    for name in ("fast discriminator", "B"):
        run = runs[name]
        assert (run.real - run.made).abs().mean() < 0.1 * run.real.abs().mean()
    for name in ("no adversarial loss", "C"):
        assert runs[name].made.abs().max() < 0.1
    for name in ("no example", "A"):
        assert runs[name].distance.max() > 1.5 * healthy.distance.max()
    assert runs["fast generator"].distance[-10:].min() > 2 * healthy.distance.max()
    apart = runs["shifted labels"].distance - healthy.distance
    assert apart.abs().mean() < 0.05, "no curve gives shifted labels away"


@pytest.mark.parametrize("fault", ["healthy", "shifted labels"])
def test_todays_code_starts_as_the_recording_does(fault: str) -> None:
    r"""Five steps of Adam carry the rounding of another processor into the second digit."""
    run, recorded = failures.run(fault, steps=5), failures.recorded()[fault]
    assert run.steps.tolist() == recorded.steps[:2].tolist() == [1, 5]
    for name in ("real", "made", "distance"):
        now, then = getattr(run, name), getattr(recorded, name)[:2]
        torch.testing.assert_close(now[0], then[0], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(now[1], then[1], rtol=0, atol=0.04)


@pytest.mark.parametrize("fault", list(failures.FAULTS))
def test_a_fault_changes_one_thing(fault: str) -> None:
    config, healthy = failures.faulty_config(fault), failures.faulty_config("healthy")
    parts = ("losses", "training", "model", "data")
    changed = [part for part in parts if getattr(config, part) != getattr(healthy, part)]
    assert len(changed) == (fault not in ("healthy", "shifted labels"))


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(ConfigError, match="no fault 'hasty'; there are healthy, fast discrim"):
        failures.run("hasty", steps=1)
