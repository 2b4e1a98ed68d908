r"""Grids of experiments: a base config, variants that change a few of its fields, seeds (ch. 10).

A grid is a YAML file. A variant is one line of it: a name, and the fields in which it differs from
the base, such as `no_similarity: {losses.similarity: 0}`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from ecgan.config import Config, ConfigError
from ecgan.errors import EcganError
from ecgan.options import changed
from ecgan.presets import preset

Measure = Literal["training", "yardsticks", "similarity"]
LEAST_SCORED = 10  # among them those whose pictures stay
PARTS = {"preset", "base", "experiments"}
PARTS_OF_EXPERIMENT = {"question", "seeds", "measure", "beside", "first", "variants"}


class GridError(EcganError):
    r"""A grid that no run can be made from; the message names the place and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    r"""What a run of a grid does beyond its config.

    ``edge_targets``: what the edge branch learns, "canny" of the real image, or the layout's own
    "boundaries". ``scored``: held-out scenes that are painted and scored; ``small``: those of them
    that are painted once more for each size of small objects. ``tolerance``, in pixels, of the edge
    metric. ``device`` of the training.
    """

    edge_targets: Literal["canny", "boundaries"] = "canny"
    scored: int = 256
    small: int = 96
    tolerance: int = 1
    device: str = "cpu"

    def __post_init__(self):
        for name, least in (("scored", LEAST_SCORED), ("small", 1), ("tolerance", 0)):
            if getattr(self, name) < least:
                raise GridError(
                    f"trial.{name} is {getattr(self, name)}; it must be at least {least}"
                )


@dataclass(frozen=True, kw_only=True)
class Plan:
    r"""What the fields of a variant may change: the parts of a config, and the trial's settings."""

    config: Config
    trial: TrialSettings = field(default_factory=TrialSettings)


@dataclass(frozen=True, kw_only=True)
class Cell:
    r"""One run of a grid: a variant of an experiment with one seed, and its place in the row."""

    experiment: str
    variant: str
    seed: int
    plan: Plan
    base: Config
    measure: Measure = "training"
    place: int = 0

    @property
    def name(self) -> str:
        r"""Experiment, variant and seed, as in the name of the file of its rows."""
        return f"{self.experiment}/{self.variant}.{self.seed}"


@dataclass(frozen=True, kw_only=True)
class _Fields(Config):
    r"""What a variant may change, by the names that a grid uses."""

    trial: TrialSettings


def change(plan: Plan, said: Mapping[str, Any], *, where: str = "grid") -> Plan:
    r"""The plan with fields set by their dotted names: "losses.contrast.temperature", "trial...".

    Raises :class:`GridError` for a name that is no field, with the one that was meant, for a value
    of another kind, and for values out of range.
    """
    if not said:
        return plan
    try:
        found = changed(_Fields(**vars(plan.config), trial=plan.trial), said)
    except EcganError as error:
        raise GridError(f"{where}: {error}") from error
    parts = {part.name: getattr(found, part.name) for part in fields(Config)}
    return Plan(config=Config(**parts), trial=found.trial)


@dataclass(frozen=True, kw_only=True)
class Grid:
    r"""All cells of a grid in the order of their importance, and what each experiment asks.

    ``beside`` names, for each experiment, runs of others that it is read together with.
    """

    cells: list[Cell]
    questions: dict[str, str]
    beside: dict[str, list[str]]

    def cell(self, experiment: str, variant: str, seed: int) -> Cell:
        r"""The cell of that name; raises :class:`GridError` where there is none."""
        name = f"{experiment}/{variant}.{seed}"
        found = {cell.name: cell for cell in self.cells}
        if name not in found:
            near = difflib.get_close_matches(name, found, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise GridError(f"the grid has no cell {name}{hint}")
        return found[name]


@lru_cache
def parse_grid(text: str, *, where: str = "grid") -> Grid:
    r"""The grid that a YAML text describes; every cell's config is made, so none is out of range.

    Experiments come in the order of the text, and within each all variants of the first seed come
    before those of the second: a grid that is cut off lacks seeds, not variants.
    """
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise GridError(f"{where} is no YAML: {error}") from error
    _require_parts(said, PARTS, where)
    start = Plan(config=preset(said.get("preset", "toy")))
    base = change(start, said.get("base") or {}, where=f"{where}, base")
    cells, questions, beside = [], {}, {}
    for name, experiment in (said.get("experiments") or {}).items():
        _require_parts(experiment, PARTS_OF_EXPERIMENT, f"{where}, {name}")
        measure = experiment.get("measure", "training")
        if measure not in get_args(Measure):
            raise GridError(
                f"{where}, {name}: no measure {measure!r}; there are {get_args(Measure)}"
            )
        questions[name] = experiment.get("question", "")
        beside[name] = experiment.get("beside") or []
        plans = {
            variant: change(base, said_here or {}, where=f"{where}, {name}, {variant}")
            for variant, said_here in experiment["variants"].items()
        }
        first = experiment.get("first") or []
        if strangers := [variant for variant in first if variant not in plans]:
            raise GridError(f"{where}, {name}: first names {strangers[0]}, which is no variant")
        seeds = experiment.get("seeds", [0])
        # All seeds of the important ones come before any seed of the others.
        order = [(seed, variant) for seed in seeds for variant in first]
        order += [(seed, other) for seed in seeds for other in plans if other not in first]
        for seed, variant in order:
            cells.append(
                Cell(
                    experiment=name,
                    variant=variant,
                    seed=seed,
                    plan=_seeded(plans[variant], seed, where=f"{where}, {name}"),
                    base=base.config,
                    measure=measure,
                    place=len(cells),
                )
            )
    return Grid(cells=cells, questions=questions, beside=beside)


def _seeded(plan: Plan, seed: object, *, where: str) -> Plan:
    if not isinstance(seed, int):
        raise GridError(f"{where}: seeds has {seed!r}; allowed are whole numbers")
    try:
        training = replace(plan.config.training, seed=seed)
    except ConfigError as error:
        raise GridError(f"{where}: {error}") from error
    return replace(plan, config=replace(plan.config, training=training))


def _require_parts(said: Any, allowed: set[str], where: str) -> None:
    if not isinstance(said, Mapping) or not set(said) <= allowed:
        odd = sorted(set(said) - allowed) if isinstance(said, Mapping) else [repr(said)]
        raise GridError(f"{where}: {', '.join(map(str, odd))}; it has {', '.join(sorted(allowed))}")


def read_grid(path: str | Path) -> Grid:
    r"""The grid of a file; raises :class:`GridError` where there is none."""
    path = Path(path)
    if not path.is_file():
        raise GridError(
            f"there is no grid {path} (looked for in {Path.cwd()}); name the file by its whole "
            f"path: the package's own is {Path(__file__).with_name('grid.yaml')}"
        )
    return parse_grid(path.read_text(encoding="utf-8"), where=path.name)
