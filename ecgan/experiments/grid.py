r"""Grids of experiments: a base config, variants that change a few of its fields, seeds (ch. 10).

A grid is a YAML file. A variant is one line of it: a name, and the fields in which it differs from
the base, such as `no_similarity: {losses.similarity: 0}`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from ecgan.config import Config, ConfigError, Number
from ecgan.presets import preset

EDGE_TARGETS = ("canny", "boundaries")
Measure = Literal["training", "yardsticks", "similarity"]
PARTS = {"preset", "base", "experiments"}
PARTS_OF_EXPERIMENT = {"question", "seeds", "measure", "beside", "variants"}


class GridError(ConfigError):
    r"""A grid that no run can be made from; the message names the place and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    r"""What a run of a grid does beyond its config.

    ``edge_targets``: what the edge branch learns, "canny" of the real image, or the layout's own
    "boundaries". ``scored``: held-out scenes that are painted and scored. ``tolerance``, in pixels,
    of the edge metric. ``device`` of the training.
    """

    edge_targets: str = "canny"
    scored: int = 256
    tolerance: int = 1
    device: str = "cpu"

    def __post_init__(self):
        if self.edge_targets not in EDGE_TARGETS:
            raise GridError(
                f"trial.edge_targets is {self.edge_targets!r}; allowed are {EDGE_TARGETS}"
            )
        if self.scored < 1 or self.tolerance < 0:
            raise GridError(
                f"trial.scored is {self.scored} and trial.tolerance {self.tolerance}; they must be "
                f"at least 1 and 0"
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


def change(plan: Plan, changed: Mapping[str, Any], *, where: str = "grid") -> Plan:
    r"""The plan with fields set by their dotted names: "losses.contrast.temperature", "trial...".

    Raises :class:`GridError` for a name that is no field, with the one that was meant, or for a
    value of another kind, and as the configs do for values out of range.
    """
    tree: dict = {}
    for name, value in changed.items():
        path = name.split(".") if name.startswith("trial.") else ["config", *name.split(".")]
        inner = tree
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    try:
        return _with(plan, tree)
    except ConfigError as error:
        raise GridError(f"{where}: {error}") from error


def _with(holder: Any, tree: Mapping[str, Any]) -> Any:
    r"""A copy of nested dataclasses with all fields of the tree set at once: some go together."""
    known = [entry.name for entry in fields(holder)]
    values = {}
    for name, value in tree.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise GridError(f"{type(holder).__name__} has no field {name!r}; {hint}")
        old = getattr(holder, name)
        if is_dataclass(old) and isinstance(value, Mapping):
            values[name] = _with(old, value)
        else:
            values[name] = _of_the_kind(old, value, name)
    return replace(holder, **values)


def _of_the_kind(old: Any, value: Any, name: str) -> Any:
    r"""The value, if it is of the old one's kind; None goes for a number, and a number for None."""
    if is_dataclass(old):
        raise GridError(f"{name} is a group of fields; set them one by one, {name}.FIELD: value")
    if isinstance(value, list):
        value = tuple(value)
    kinds = {bool: bool, str: str, tuple: tuple}.get(type(old), Number | None)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise GridError(f"{name} is {value!r}; it was {old!r}, and wants a value of that kind")
    return value


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
        for seed in experiment.get("seeds", [0]):
            for variant, changed in experiment["variants"].items():
                plan = change(base, changed or {}, where=f"{where}, {name}, {variant}")
                plan = change(plan, {"training.seed": seed}, where=f"{where}, {name}")
                cells.append(
                    Cell(
                        experiment=name,
                        variant=variant,
                        seed=seed,
                        plan=plan,
                        base=base.config,
                        measure=measure,
                        place=len(cells),
                    )
                )
    return Grid(cells=cells, questions=questions, beside=beside)


def _require_parts(said: Any, allowed: set[str], where: str) -> None:
    if not isinstance(said, Mapping) or not set(said) <= allowed:
        odd = sorted(set(said) - allowed) if isinstance(said, Mapping) else [repr(said)]
        raise GridError(f"{where}: {', '.join(map(str, odd))}; it has {', '.join(sorted(allowed))}")


def read_grid(path: str | Path) -> Grid:
    r"""The grid of a file."""
    return parse_grid(Path(path).read_text(), where=Path(path).name)
