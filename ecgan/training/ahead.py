r"""An averaged generator without the lag of its average (chapter 09) [I].

``python -m ecgan.training.ahead OLDER NEWER OUT --data FOLDER`` takes two generators that a run
kept (``ecgan train --keep-every``), and goes on from the older to the newer and beyond, on one
line.

A running average with ``ema`` $a$ trails the weights that it averages by $a / (1 - a)$ steps, as
long as they go one way. That is nothing at the end of a run, whose learning rate has fallen to
zero, and much in one that was cut short.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ecgan.data.source import Source
from ecgan.errors import EcganError
from ecgan.presets import preset
from ecgan.training.average import recalibrated
from ecgan.training.machine import Machine
from ecgan.weights.checkpoint import load, notes, save


class AheadError(EcganError):
    r"""Two files that are no two moments of one run; the message says what differs."""


def ahead(older: Mapping[str, Tensor], newer: Mapping[str, Tensor], share: float) -> dict:
    r"""Weights beyond ``newer`` by ``share`` of the way from ``older``; counters are newer's."""
    return {
        name: value + share * (value - older[name]) if value.is_floating_point() else value
        for name, value in newer.items()
    }


def share_of_lag(older: Mapping, newer: Mapping) -> float:
    r"""The lag of the average over the steps between two kept generators, given by their notes.

    Raises :class:`AheadError` unless they are of one run, the older first, and averages.
    """
    if older.get("config") != newer.get("config") or newer.get("config") is None:
        raise AheadError("the two generators are not of one run: their configs differ")
    steps = newer["step"] - older["step"]
    if steps <= 0:
        raise AheadError(f"steps {older['step']} and {newer['step']}: name the older one first")
    decay = newer["config"]["training"]["ema"]
    if not decay:
        raise AheadError("ema is 0: these are no averages, and nothing lags")
    return decay / (1 - decay) / steps


def main(arguments: list[str] | None = None) -> None:
    r"""The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("older", "newer", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--data", type=Path, help="the run's folder; the toy world unless given")
    chosen = parser.parse_args(arguments)
    told = notes(chosen.newer)
    share = share_of_lag(notes(chosen.older), told)
    older, generator = (load(path) for path in (chosen.older, chosen.newer))
    generator.load_state_dict(ahead(older.state_dict(), generator.state_dict(), share))
    config = replace(preset(told["config"]["data"]["name"]), model=generator.config)
    layouts = Source(config=config, machine=Machine(), data=chosen.data).layouts()
    save(chosen.out, recalibrated(generator, layouts), half=True, notes=told | {"ahead": share})
    print(f"{chosen.out}: beyond step {told['step']} by {share:.1%} of the way from the older")


if __name__ == "__main__":
    main()
