r"""Contrast across processes: two with half a batch each are one with the whole of it."""

import pytest
import torch
from torch import multiprocessing

from support import shared_contrast

PROCESSES = 2
EXACT = {"rtol": 1e-6, "atol": 1e-6}


@pytest.fixture(scope="module")
def shares(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("shares")
    multiprocessing.spawn(shared_contrast.main, (PROCESSES, folder), nprocs=PROCESSES)
    return [torch.load(folder / f"{rank}.pt") for rank in range(PROCESSES)]


def mean(parts: list[torch.Tensor]) -> torch.Tensor:
    return sum(parts) / len(parts)


@pytest.mark.parametrize("way", shared_contrast.WAYS)
def test_the_mean_of_the_shares_is_the_whole_batchs(shares: list[dict], way: str) -> None:
    values, whole = shared_contrast.losses(way, slice(None))
    assert all(value > 0.1 for value in values)
    for index, value in enumerate(values):
        parts = [share[way][0][index] for share in shares]
        torch.testing.assert_close(mean(parts), value, **EXACT)
        assert not torch.isclose(parts[0], parts[1], rtol=0.01)
    for index, parameter in enumerate(whole.parameters()):
        assert parameter.grad.abs().max() > 1e-3
        gradient = mean([share[way][1][index] for share in shares])
        torch.testing.assert_close(gradient, parameter.grad, **EXACT)


@pytest.mark.parametrize("way", shared_contrast.WAYS)
def test_all_remember_the_same(shares: list[dict], way: str) -> None:
    _, whole = shared_contrast.losses(way, slice(None))
    for name, expected in whole.state_dict().items():
        for share in shares:
            torch.testing.assert_close(share[way][2][name], expected)


@pytest.mark.parametrize("way", ["all pixels", "memory", "across scales"])
def test_without_the_other_half_it_is_another_loss(way: str) -> None:
    halves = [shared_contrast.losses(way, part)[0][0] for part in (slice(2), slice(2, 4))]
    whole = shared_contrast.losses(way, slice(None))[0][0]
    assert not torch.isclose(mean(halves), whole, rtol=1e-3)
