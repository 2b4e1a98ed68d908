r"""Checkers of chapter 10, on experiments."""

from dataclasses import asdict

import numpy as np

from ecgan.experiments.comparison import interval
from ecgan.experiments.grid import GridError, parse_grid
from ecgan.teaching.exercises import NotStarted, NotYet, exercise, expect_close

GRID = """
preset: toy
base: {{training.steps: 200, losses.cross_entropy: 0.0}}
experiments:
  mine:
    seeds: [0, 1]
    variants:
      whole: {{}}
      {line}
"""


def _differences(one: dict, other: dict) -> set[str]:
    found = set()
    for name, value in one.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}" for inner in _differences(value, other[name])}
        elif value != other[name]:
            found.add(name)
    return found


@exercise("ablation.variant")
def variant(answer):
    if not isinstance(answer, str):
        kind = type(answer).__name__
        raise NotYet(f"a line of YAML is wanted, as a string; met a {kind}.")
    if "..." in answer:
        raise NotStarted("replace the `...` by the fields in which your variant differs.")
    if len(answer.strip().splitlines()) != 1:
        raise NotYet("one line is enough: `name: {field: value, field: value}`.")
    try:
        grid = parse_grid(GRID.format(line=answer.strip()), where="your line")
    except GridError as error:
        raise NotYet(str(error).replace("\n", " ")) from None
    made = {cell.variant: cell.plan for cell in grid.cells if not cell.seed}
    whole = asdict(made.pop("whole").config)
    if len(made) != 1:
        raise NotYet("your line should add one variant, with a name of its own.")
    ((name, plan),) = made.items()
    config = asdict(plan.config)
    wanted = {"model.edge_transfer"}
    changed = _differences(config, whole)
    if not changed:
        raise NotYet(f"{name} is the whole once more: which field must differ?")
    if "model.edge_branch" in changed:
        raise NotYet("the edge branch is gone as well. The edge map was to stay, guiding nothing.")
    if changed != wanted:
        raise NotYet(f"{name} changes {', '.join(sorted(changed))}. Only the transfer was to go.")
    return f"{len(grid.cells)} cells now: one line made a run for each seed."


@exercise("ablation.gain")
def gain(answer):
    part = {3: 1.0, 0: 2.0, 2: 0.5, 7: 9.0}
    without = {0: 2.5, 2: 0.75, 3: 2.0, 5: 1.0}
    result = answer(part, without)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise NotYet("two numbers are wanted: `return mean, standard_error`.")
    gains = [without[seed] - part[seed] for seed in (0, 2, 3)]
    mean, error = float(np.mean(gains)), float(np.std(gains, ddof=1) / np.sqrt(3))
    met = float(result[0])
    if np.isclose(met, -mean):
        raise NotYet("the sign is the wrong way round: a smaller distance is a gain.")
    if np.isclose(met, np.mean(list(without.values())) - np.mean(list(part.values()))):
        raise NotYet("you compare means over *all* seeds; take the seeds that both have, in pairs.")
    hint = "For each seed that both have, `without[seed] - part[seed]`; then the mean."
    expect_close(met, mean, hint, what="the mean gain")
    unpaired = np.sqrt(sum(np.var(list(d.values()), ddof=1) / 3 for d in (part, without)))
    if np.isclose(result[1], unpaired) or np.isclose(result[1], error * np.sqrt(3)):
        raise NotYet("the error of a *mean* of pairs: deviation of the gains over sqrt(number).")
    hint = "Standard deviation of the gains (n - 1 below), over the square root of their number."
    expect_close(result[1], error, hint, what="the standard error")
    return "pairs cancel what the seed does to both runs."


@exercise("ablation.verdict")
def verdict(answer):
    cases = {
        (0.5, 0.4, 0.6, 0.3, 0.5): "supported",
        (-0.5, -0.4, -0.6, -0.3, -0.5): "contradicted",
        (0.5, 0.4, 0.6, -0.01, 0.5): "not visible",
        (-2.0, 3.0, 1.0, -1.0, 0.5): "not visible",
        (0.2, 0.4, 0.0, 0.3, 0.5): "not visible",
    }
    for gains, right in cases.items():
        low, high = interval(np.array(gains))
        said = answer(list(gains), low, high)
        shown = ", ".join(f"{value:g}" for value in gains)
        if said not in ("supported", "contradicted", "not visible"):
            raise NotYet(f'met {said!r}; say "supported", "contradicted" or "not visible".')
        if said != right:
            raise NotYet(
                f"gains {shown}, interval {low:.2f} to {high:.2f}: you say {said}. By the rule the "
                f"interval decides only together with the seeds: it is {right}."
            )
    return "a rule that was written before the numbers came cannot be bent by them."


@exercise("ablation.luck")
def luck(answer):
    for seeds in (2, 3, 5, 10):
        for claims in (1, 4, 8):
            one = 0.5**seeds
            right = 1 - (1 - one) ** claims
            met = float(answer(seeds, claims))
            if claims > 1 and np.isclose(met, one):
                raise NotYet(f"that is the chance for one claim; here are {claims}.")
            if claims > 1 and np.isclose(met, claims * one):
                raise NotYet(
                    f"{claims} times the chance of one counts twice the cases where two are lucky; "
                    f"take one minus the chance that none is."
                )
            if np.isclose(met, 1 - (1 - 2 * one) ** claims):
                raise NotYet("gains count only in the claimed direction: one half a seed.")
            hint = (
                f"With {seeds} seeds and {claims} claims without any effect. Each seed is a coin."
            )
            expect_close(met, right, hint, what="the chance")
    return "with five seeds and eight empty claims, luck supports one in a fifth of all cases."
