r"""How often a step asks the device for a number: once, with every loss on."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from ecgan.config import ContrastConfig
from ecgan.method.losses.finite import NonFiniteLoss
from ecgan.training import Trainer, toy_batches
from support import tiny_run
from support.questions import Questions

CONTRAST = {
    "memory and scales": ContrastConfig(per_class=4, dim=4, scales=3, memory_per_class=3),
    "across scales": ContrastConfig(per_class=4, dim=4, scales=2, cross_scale=True),
    "within a layout": ContrastConfig(per_class=4, dim=4, across_layouts=False),
}


def trainer(*, contrast: str = "memory and scales", pairs: int | None = 64, **training) -> Trainer:
    r"""As on a GPU: a CPU's quick parts ask as they like, for a CPU has nothing to wait for."""
    losses = replace(tiny_run.LOSSES, similarity_pairs=pairs, contrast=CONTRAST[contrast])
    config = tiny_run.config(losses=losses, **training)
    return Trainer(config=config, segmenter=tiny_run.segmenter(), quick=False)


@pytest.mark.parametrize("contrast", CONTRAST)
@pytest.mark.parametrize("pairs", [64, None])
@pytest.mark.parametrize("simultaneous", [True, False])
def test_a_step_asks_once(simultaneous: bool, pairs: int | None, contrast: str) -> None:
    run = trainer(contrast=contrast, pairs=pairs, simultaneous=simultaneous)
    batches = toy_batches(run.config)
    for _ in range(2):  # the second meets a memory that holds something
        batch = next(batches)
        with Questions() as questions:
            values = run.step(batch)
        assert questions.asked == ["tolist"]
        assert len(values) == 9


def test_no_more_in_16_bits_and_for_several_batches() -> None:
    run = trainer(precision="bf16")
    batches = list(islice(toy_batches(run.config), 2))
    with Questions() as questions:
        run.step(batches)
    assert questions.asked == ["tolist"]


def test_after_an_overflow_the_scale_is_asked_for_too() -> None:
    run = trainer(precision="fp16")
    scaler = run.machine.scaler
    scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**120})
    batch = next(toy_batches(run.config))
    with Questions() as questions:
        run.step(batch)
    assert questions.asked == ["tolist", "_local_scalar_dense"]


def test_the_average_counts_its_steps_on_the_cpu() -> None:
    assert trainer(ema=0.5).average.n_averaged.device.type == "cpu"


def test_a_step_that_failed_may_ask() -> None:
    run = trainer()
    batch = next(toy_batches(run.config))
    batch.images[0, 0, 0, 0] = torch.nan
    with Questions() as questions, pytest.raises(NonFiniteLoss):
        run.step(batch)
    assert questions.asked[0] == "tolist"
    assert len(questions.asked) > 2


def test_the_counter_sees_what_stops_a_gpu() -> None:
    x = torch.arange(6.0)
    asking = {
        "item": lambda: x[0].item(),
        "bool": lambda: bool(x[0] > 0),
        "nonzero": lambda: torch.nonzero(x),
        "where": lambda: torch.where(x > 1),
        "mask": lambda: x[x > 1],
        "masked_select": lambda: x.masked_select(x > 1),
        "write by mask": lambda: x.clone().__setitem__(x > 1, torch.zeros(4)),
        "unique": lambda: x.unique(),
        "consecutive": lambda: torch.unique_consecutive(x),
        "bincount": lambda: torch.bincount(x.long()),
        "equal": lambda: torch.equal(x, x),
        "tolist": lambda: x.tolist(),
        "int": lambda: int(x[1]),
    }
    for name, ask in asking.items():
        with Questions() as questions:
            ask()
        assert questions.asked, name
    with Questions() as questions:
        _ = x[torch.tensor([1, 2])] + torch.where(x > 1, x, 0).topk(2).values
    assert questions.asked == []
