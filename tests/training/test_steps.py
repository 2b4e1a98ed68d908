r"""The step on every machine: precisions, accumulated batches, gradients that are none."""

from dataclasses import replace
from importlib import import_module
from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from test_training import STILL, gradients, weights
from torch import nn

from ecgan.config import ConfigError, TrainingConfig
from ecgan.method.losses import NonFiniteLoss, objective
from ecgan.training import Machine, Trainer, toy_batches
from ecgan.training.guard import NonFiniteGradient, gradient_norm
from ecgan.training.machine import Processes
from support import tiny_run

module = import_module("ecgan.training.step")


def trainer(**training) -> Trainer:
    return Trainer(config=tiny_run.config(**training), segmenter=tiny_run.segmenter())


def batches(count: int = 1) -> list:
    return list(islice(toy_batches(tiny_run.config()), count))


@pytest.mark.parametrize("simultaneous", [True, False])
def test_accumulated_gradients_are_the_mean(monkeypatch, simultaneous: bool) -> None:
    still = {"generator_rate": STILL, "discriminator_rate": STILL, "simultaneous": simultaneous}
    parts, single, alone = batches(2), [], []
    for batch in parts:
        run = trainer(**still)
        run.generator.eval()
        run.discriminator.eval()
        torch.manual_seed(4)
        alone.append(run.step(batch))
        single.append([gradients(player.parameters) for player in run.players.values()])
    run = trainer(**still)
    run.generator.eval()
    run.discriminator.eval()
    # The draws of the second batch must be those that it had alone.
    real = module.forward

    def seeded(*arguments):
        torch.manual_seed(4)
        return real(*arguments)

    monkeypatch.setattr(module, "forward", seeded)
    values = run.step(parts)
    for index, player in enumerate(run.players.values()):
        expected = (single[0][index] + single[1][index]) / 2
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(gradients(player.parameters), expected, rtol=1e-3, atol=1e-5)
    for name, value in values.items():
        assert value == pytest.approx((alone[0][name] + alone[1][name]) / 2, rel=1e-4), name


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("simultaneous", [True, False])
def test_half_precision_computes_much_the_same(precision: str, simultaneous: bool) -> None:
    r"""Before the first update; from then on every rounding counts, in fp32 too."""
    values, (first, second) = {}, batches(2)
    for name in ("fp32", precision):
        run = trainer(precision=name, simultaneous=simultaneous)
        torch.manual_seed(4)
        values[name] = torch.tensor(list(run.step(first).values()))
    torch.testing.assert_close(values[precision], values["fp32"], rtol=0.05, atol=0.02)
    assert not torch.equal(values[precision], values["fp32"])
    run.step(second)
    for network in (run.generator, run.discriminator):
        for name, value in network.named_parameters():
            assert value.dtype == torch.float32
            assert value.isfinite().all(), name


def test_half_precision_needs_its_scaler() -> None:
    assert trainer(precision="fp16").machine.scaler.get_scale() == 2**16
    for precision in ("fp32", "tf32", "bf16"):
        assert not trainer(precision=precision).machine.scaler.is_enabled()


def test_an_overflow_passes_over_the_update_and_halves_the_scale() -> None:
    run = trainer(precision="fp16")
    run.machine.scaler.load_state_dict(run.machine.scaler.state_dict() | {"scale": 2.0**120})
    before = weights(run)[:10]
    run.step(batches()[0])
    assert run.machine.scaler.get_scale() == 2.0**119
    assert all(map(torch.equal, before, weights(run)))


def test_overflows_without_end_stop_the_run() -> None:
    run = trainer(precision="fp16")
    run.generator.edge_generator.last.weight.register_hook(lambda gradient: gradient * torch.inf)
    run.machine.scaler.load_state_dict(run.machine.scaler.state_dict() | {"scale": 1.0})
    with pytest.raises(NonFiniteGradient, match='set precision to "bf16" or "fp32"'):
        run.step(batches()[0])


def test_an_unknown_precision_is_refused() -> None:
    made = SimpleNamespace(**vars(TrainingConfig()) | {"precision": "fp8"})
    with pytest.raises(ConfigError, match=r"precision is 'fp8'; allowed are .*bf16"):
        TrainingConfig.__post_init__(made)  # the tests' check of types is faster
    with pytest.raises(ConfigError, match="accumulate is 0"):
        tiny_run.config(accumulate=0)


@pytest.mark.parametrize("simultaneous", [True, False])
def test_a_gradient_that_is_none_names_its_term(monkeypatch, simultaneous: bool) -> None:
    r"""The root of zero: a loss of value 0 and a gradient of NaN."""
    real = objective.class_specific

    def broken(image, *arguments, **keywords):
        return real(image, *arguments, **keywords) + (0 * image.sum()).sqrt()

    monkeypatch.setattr(objective, "class_specific", broken)
    run = trainer(simultaneous=simultaneous)
    before = weights(run)
    with pytest.raises(NonFiniteGradient, match=r"generator's gradient.*term class_specific\."):
        run.step(batches()[0])
    assert all(map(torch.equal, before, weights(run)))


@pytest.mark.parametrize("simultaneous", [True, False])
def test_the_discriminators_gradient_is_guarded_too(simultaneous: bool) -> None:
    run = trainer(simultaneous=simultaneous)
    run.discriminator.scales[0].score.weight.register_hook(lambda gradient: gradient * torch.nan)
    before = weights(run)
    with pytest.raises(NonFiniteGradient, match=r"discriminator's gradient.*term fake, real"):
        run.step(batches()[0])
    learned = len(run.players["generator"].parameters)
    untouched = slice(None) if simultaneous else slice(learned, None)
    assert all(map(torch.equal, before[untouched], weights(run)[untouched]))
    assert issubclass(NonFiniteGradient, NonFiniteLoss)


def test_the_norm_of_the_gradients() -> None:
    run = trainer()
    run.step(batches()[0])
    for name, player in run.players.items():
        expected = gradients(player.parameters).norm().item()
        assert run.norms[name] == pytest.approx(expected, rel=1e-4)
    bare = nn.Parameter(torch.zeros(3))
    assert gradient_norm([bare]) == 0


def test_one_process_is_the_default_and_shares_with_nobody() -> None:
    for machine in (Machine(), Processes(cpu=True)):
        assert (machine.rank, machine.processes, machine.is_main) == (0, 1, True)
        assert machine.name == machine.device.type == "cpu"
        values = torch.ones(2)
        machine.average([values])
        assert torch.equal(values, torch.ones(2))
        assert machine.any(True)
        assert not machine.any(False)
        assert machine.gather("thing") == ["thing"]
        machine.wait()


def test_two_threads_add_up_in_the_order_of_one() -> None:
    r"""Left alone, they add to one place as they come, and 100,000 roundings differ."""
    rows = torch.zeros(100_000, dtype=torch.long)
    weights = torch.rand(100_000, 1)
    found = []
    for threads in (1, 2, 2):
        table = torch.zeros(2, 1, requires_grad=True)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        with Machine().repeatable():
            (table[rows] * weights).sum().backward()
        torch.set_num_threads(before)
        found.append(table.grad)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_update_is_repeatable(monkeypatch) -> None:
    run, seen = trainer(), []
    real = module.forward

    def looked_at(*arguments):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return real(*arguments)

    monkeypatch.setattr(module, "forward", looked_at)
    run.step(batches()[0])
    assert seen == [True]


def test_on_several_gpus_batch_norm_is_synchronised(monkeypatch) -> None:
    machine, moved = Machine(), []
    machine.processes, machine.device = 2, torch.device("cuda")
    monkeypatch.setattr(nn.Module, "to", lambda self, device: moved.append(device) or self)
    network = nn.Sequential(nn.BatchNorm2d(4, affine=False))
    names = list(network.state_dict())
    placed = machine.place(network)
    assert isinstance(placed[0], nn.SyncBatchNorm)
    assert list(placed.state_dict()) == names
    assert moved == [torch.device("cuda")]


@pytest.mark.parametrize(("side", "overflows"), [(64, False), (32, True)])
def test_fp16_holds_the_gradients_of_what_reads_the_trunk_itself(side: int, overflows) -> None:
    r"""Contrast and class-specific generation: nothing lies between them and the norms.

    At 32 pixels the coarsest map is one pixel. Where all layouts of a batch have one class there,
    nothing varies, each norm stretches the gradient by 1 over the root of its epsilon, and float16
    ends: that is the trunk's, and the losses cannot mend it.
    """
    losses = replace(tiny_run.NOTHING, contrastive=1, class_specific=1)
    config = tiny_run.config(losses=losses, model={"height": side, "width": side}, precision="fp16")
    run = Trainer(config=config)
    scaler = run.machine.scaler
    scaler.load_state_dict(scaler.state_dict() | {"scale": 16.0})
    run.step(next(toy_batches(config)))
    assert (scaler.get_scale() < 16) == overflows
