r"""What a run depends on: recorded with it, and held against it when it goes on (chapter 09)."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ecgan.config import Config
from ecgan.data.source import Source
from ecgan.files.whole import RunError, write_file
from ecgan.training.machine import Machine
from ecgan.training.settings import as_json, differences

if TYPE_CHECKING:
    from ecgan.training.start import Start

FACTS = "run.json"


def name_of(network: nn.Module | None) -> str | None:
    r"""A frozen network by its kind and its weights, so that another one bears another name."""
    if network is None:
        return None
    weights = hashlib.sha256()
    for name, value in network.state_dict().items():
        weights.update(name.encode())
        weights.update(value.detach().cpu().float().numpy().tobytes())
    return f"{type(network).__name__} {weights.hexdigest()[:16]}"


def depends_on(
    config: Config,
    *,
    source: Source,
    segmenter: nn.Module | None,
    perceptual: nn.Module | None,
    machine: Machine,
    start: "Start | None" = None,
) -> dict:
    r"""All that must stay as it is from a run's first step to its last, as JSON.

    Raises :class:`RunError` where ``start`` does not fit.
    """
    table = {
        "config": as_json(config),
        **source.facts(),
        "segmenter": name_of(segmenter),
        "perceptual": name_of(perceptual),
        "start": None if start is None else start.facts(config),
        "processes": machine.processes,
    }
    return json.loads(json.dumps(table))


def agree(table: dict, machine: Machine) -> None:
    r"""Raise :class:`RunError` unless all processes were started for the same run.

    They would wait for each other forever, or add up what does not belong together.
    """
    main, *others = machine.gather(table)
    for rank, other in enumerate(others, start=1):
        changed = differences(main, other, words=("in the main process", f"in process {rank}"))
        if changed:
            raise RunError(
                f"the processes do not agree on the run ({'; '.join(changed)}): start all of them "
                f"by one command, accelerate launch, with the same data on every machine"
            )


def record(folder: Path, facts: dict) -> None:
    r"""Write run.json."""
    write_file(folder / FACTS, json.dumps(facts, indent=1).encode())


def recorded(folder: Path) -> dict | None:
    r"""What run.json says; None where there is none. Raises :class:`RunError` for a damaged one."""
    path = folder / FACTS
    try:
        return json.loads(path.read_text()) if path.is_file() else None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} cannot be read ({error}), so nobody knows what the run in {folder} depends "
            f"on: bring back a copy of it, or use another folder for a new run"
        ) from error


def require_same(before: dict, table: dict, *, folder: Path, data: str | None) -> None:
    r"""Raise :class:`RunError`, naming each change, where ``folder`` holds another run."""
    found = differences({name: before.get(name) for name in table}, table)
    changed = [line.removeprefix("config.") for line in found]
    if not changed:
        return
    if before.get("folder") != data:
        changed.insert(0, f"data folder: was {before.get('folder')}, is {data}")
    raise RunError(
        f"{folder} holds another run ({'; '.join(changed)}). Start it as it was to go on with it, "
        f"or use another folder for a new run"
    )
