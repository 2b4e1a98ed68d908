r"""A recorded update: when it is recorded, what it is fed, and what happens where it cannot be."""

from collections.abc import Callable

import pytest
import torch

from ecgan.method.batch import Batch
from ecgan.training import Machine, Trainer, toy_batches
from ecgan.training.recorded import WARM_UP, Recorded, Tape, can_record, record_updates
from ecgan.training.step import Numbers
from support import tiny_run

STEPS = WARM_UP + 4


class Played(Tape):
    r"""A tape of the CPU: what was recorded is done again from its start at each replay."""

    def __init__(self, trainer: Trainer, *, broken: bool = False):
        self.trainer, self.broken = trainer, broken
        self.did: list[str] = []
        self.rates: list[list[float]] = []

    def warm_up(self, work: Callable[[], Numbers]) -> Numbers:
        self.did.append("written")
        return work()

    def record(self, work: Callable[[], Numbers]) -> None:
        self.did.append("recorded")
        groups = [g for optimiser in self.trainer.optimisers for g in optimiser.param_groups]
        assert all(torch.is_tensor(group["lr"]) and group["capturable"] for group in groups)
        if self.broken:
            raise RuntimeError("an operation is not permitted\nwhile a stream is recorded")
        self.work = work

    def replay(self) -> Numbers:
        self.did.append("replayed")
        self.rates.append([rate.item() for rate in self.trainer.update.rates])
        return self.work()


def make(**training) -> Trainer:
    config = tiny_run.config(ema=0.5, **training)
    return Trainer(config=config, segmenter=tiny_run.segmenter())


def rows(trainer: Trainer, batches: list[Batch]) -> list[dict[str, float]]:
    return [trainer.step(batch) for batch in batches]


def some(trainer: Trainer, count: int) -> list[Batch]:
    endless = toy_batches(trainer.config)
    return [next(endless) for _ in range(count)]


def test_recorded_updates_are_the_written_ones() -> None:
    plain, quick = make(steps=STEPS), make(steps=STEPS)
    tape = Played(quick)
    quick.update = Recorded(quick, tape=tape)
    batches = some(plain, STEPS)
    torch.manual_seed(1)
    written = rows(plain, batches)
    torch.manual_seed(1)
    assert rows(quick, batches) == written
    replayed = STEPS - WARM_UP
    assert tape.did == ["written"] * WARM_UP + ["recorded"] + ["replayed"] * replayed
    for ours, theirs in zip(quick.trained.parameters(), plain.trained.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_replay_sees_the_learning_rates_of_its_step() -> None:
    trainer = make(steps=STEPS, constant=0.0)
    tape = Played(trainer)
    trainer.update = Recorded(trainer, tape=tape)
    rate, expected = trainer.config.training.generator_rate, []
    for step, batch in enumerate(some(trainer, STEPS)):
        expected.append(rate * (STEPS - step) / STEPS)
        trainer.step(batch)
    seen = [rates[0] for rates in tape.rates]
    assert seen == pytest.approx(expected[WARM_UP:], rel=1e-6)
    assert len(set(seen)) == len(seen)
    assert all(isinstance(g["lr"], float) for o in trainer.optimisers for g in o.param_groups)


def test_a_batch_of_another_shape_is_done_as_written() -> None:
    trainer = make(steps=STEPS + 3)
    tape = Played(trainer)
    trainer.update = Recorded(trainer, tape=tape)
    batches = some(trainer, STEPS)
    large = Batch(*(torch.cat([part, part]) for part in batches[0]))
    rows(trainer, [batches[0], large, *batches[: WARM_UP + 1], large, batches[1]])
    early = ["written"] * (2 + WARM_UP)  # it counts from the last shape that was new
    assert tape.did == [*early, "recorded", "replayed", "written", "replayed"]


def test_where_recording_fails_the_run_goes_on_and_says_so() -> None:
    plain, trainer = make(steps=STEPS), make(steps=STEPS)
    told = []
    trainer.machine.tell = told.append
    trainer.update = Recorded(trainer, tape=Played(trainer, broken=True))
    batches = some(plain, STEPS)
    torch.manual_seed(1)
    written = rows(plain, batches)
    torch.manual_seed(1)
    assert rows(trainer, batches) == written
    assert told == [
        "note: recording an update failed (an operation is not permitted); the run goes on with "
        "slower steps, but the same numbers"
    ]
    assert trainer.update.tape.did.count("recorded") == 1


def test_what_can_be_recorded() -> None:
    trainer = make(steps=1)
    assert not can_record(trainer)
    assert not record_updates(trainer)
    assert not isinstance(trainer.update, Recorded)
    trainer.machine.device = torch.device("cuda")
    assert can_record(trainer)
    trainer.machine.processes = 2
    assert not can_record(trainer)
    scaled = make(steps=1, precision="fp16")
    scaled.machine.device = torch.device("cuda")
    assert not can_record(scaled)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_records_and_replays() -> None:
    config = tiny_run.config(steps=STEPS)
    found = []
    for recorded in (False, True):
        machine = Machine(device="cuda")
        trainer = Trainer(config=config, segmenter=tiny_run.segmenter(), machine=machine)
        if recorded:
            assert record_updates(trainer)
        batches = toy_batches(config, device="cuda")
        found.append([trainer.step(next(batches)) for _ in range(STEPS)])
    assert trainer.update.inputs is not None
    for ours, theirs in zip(found[1], found[0], strict=True):
        assert ours == pytest.approx(theirs, rel=0.05, abs=1e-3)
