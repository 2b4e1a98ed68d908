r"""A generator ahead of its average: exact for weights that go one way, else refused."""

import pytest
import torch

from ecgan.method.generator import Generator
from ecgan.training.ahead import AheadError, ahead, main, share_of_lag
from ecgan.weights.checkpoint import load, notes, save
from support import tiny_run


def told(step: int, *, ema: float = 0.9) -> dict:
    return {"step": step, "config": tiny_run.config(ema=ema).to_dict()}


def test_of_weights_that_go_one_way_the_lag_is_undone() -> None:
    velocity, decay = torch.tensor([2.0, -0.5], dtype=torch.float64), 0.9
    average, kept = torch.zeros(2, dtype=torch.float64), {}
    for step in range(1, 401):
        average = decay * average + (1 - decay) * step * velocity
        if step in (300, 400):
            kept[step] = {"weight": average, "batches": torch.tensor(step)}
    share = share_of_lag(told(300), told(400))
    found = ahead(kept[300], kept[400], share)
    torch.testing.assert_close(found["weight"], 400 * velocity, rtol=1e-9, atol=0)
    assert found["batches"] == 400


@pytest.mark.parametrize(
    ("older", "newer", "message"),
    [
        (told(2), told(4, ema=0.8), "not of one run"),
        ({"step": 2}, {"step": 4}, "not of one run"),
        (told(4), told(4), "name the older one first"),
        (told(2, ema=0.0), told(4, ema=0.0), "nothing lags"),
    ],
)
def test_what_cannot_be_is_refused(older: dict, newer: dict, message: str) -> None:
    with pytest.raises(AheadError, match=message):
        share_of_lag(older, newer)


def test_the_command_writes_a_generator_that_is_ahead(tmp_path, capsys) -> None:
    config = tiny_run.config(ema=0.5)
    paths = [tmp_path / f"{step}.safetensors" for step in (2, 4)]
    for step, path in zip((2, 4), paths, strict=True):
        torch.manual_seed(step)
        generator = Generator(config.model)
        save(path, generator, notes={"step": step, "config": config.to_dict()})
    main([*map(str, paths), str(tmp_path / "out.safetensors")])
    older, newer, made = (load(path) for path in (*paths, tmp_path / "out.safetensors"))
    name = "edge_generator.last.weight"
    states = [network.state_dict()[name] for network in (older, newer, made)]
    expected = states[1] + 0.5 * (states[1] - states[0])  # a lag of one step, two steps apart
    torch.testing.assert_close(states[2], expected, rtol=2e-3, atol=1e-4)  # stored in 16 bits
    assert notes(tmp_path / "out.safetensors")["ahead"] == 0.5
    assert "beyond step 4 by 50.0%" in capsys.readouterr().out
