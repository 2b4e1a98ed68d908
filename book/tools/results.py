r"""Writes the page of results from its rows: `python -m book.tools.results`."""

from collections.abc import Sequence

import numpy as np

from book.tools import pages
from book.tools.pages import table
from ecgan.experiments.comparison import (
    EXPERIMENTS,
    NOT_RUN,
    Effect,
    effect,
    interval,
    read_claims,
    read_rows,
    values,
)
from ecgan.experiments.grid import read_grid

PAGE = pages.RENDERED / "results.md"
# Metric: its name on the page, digits, and which way is better.
METRICS = {
    "fid": ("toy FID", 2, "lower"),
    "kid": ("toy KID", 3, "lower"),
    "miou": ("mIoU", 3, "higher"),
    "accuracy": ("accuracy", 3, "higher"),
    "iou_tiny": ("tiny classes", 3, "higher"),
    "iou_lamp": ("lamp", 3, "higher"),
    "iou_person": ("person", 3, "higher"),
    "edge_f1": ("edge F1", 3, "higher"),
}
MAIN = ("fid", "miou", "accuracy", "iou_tiny", "edge_f1")
# The variants by their one name, the grid's: those that add a part, and those that lack one.
LADDER = ("baseline", "edges", "semantic", "similarity", "within", "across", "whole")
TAKEN = {
    "without_edges": "edges and transfer",
    "without_semantic": "semantic preserving",
    "without_similarity": "similarity",
    "similarity": "contrast",
    "without_across": "other layouts",
    "across": "scales",
}
ADDED = {
    "baseline": "image branch alone",
    "edges": "+ edge branch and transfer",
    "semantic": "+ semantic preserving",
    "similarity": "+ similarity",
    "within": "+ contrast within a layout",
    "across": "+ contrast across layouts",
    "whole": "+ scales: the whole",
}
QUESTIONS = ("edge_targets", "layouts", "temperature", "label_loss", "budget")


def number(value: float, digits: int, *, sign: bool = False) -> str:
    r"""A number as it is shown; a dash for none."""
    return "–" if np.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def mean_and_interval(numbers: Sequence[float], digits: int) -> str:
    r"""The mean, and the bootstrap interval where there are several numbers."""
    if not len(numbers):
        return NOT_RUN
    low, high = interval(np.array(numbers, dtype=float))
    mean = number(float(np.mean(numbers)), digits)
    return mean if np.isnan(low) else f"{mean} [{number(low, digits)}, {number(high, digits)}]"


def scores(rows: list[dict], runs: dict[str, str], metrics: Sequence[str] = MAIN) -> str:
    r"""Mean and interval of each metric for each run, ``runs`` by name and what they are called."""
    lines = []
    for run, called in runs.items():
        found = {metric: list(values(rows, run, metric).values()) for metric in metrics}
        seeds = str(len(found[metrics[0]]) or NOT_RUN)
        shown = [mean_and_interval(found[metric], METRICS[metric][1]) for metric in metrics]
        lines.append([called, seeds, *shown])
    heads = ["", "seeds", *(f"{METRICS[m][0]} ({METRICS[m][2]} is better)" for m in metrics)]
    return table(heads, lines)


def gain(one: Effect, digits: int) -> list[str]:
    r"""Cells of an effect: mean gain, interval, noise, seeds that gain."""
    if len(one.gains) < 2:
        return [NOT_RUN, "–", "–", "–"]
    low, high = one.interval
    gained = sum(value > 0 for value in one.gains.values())
    return [
        number(one.mean, digits, sign=True),
        f"[{number(low, digits, sign=True)}, {number(high, digits, sign=True)}]",
        number(one.noise, digits),
        f"{gained} of {len(one.gains)}",
    ]


def called(run: str) -> str:
    r"""A run by the grid's name of its variant, as chapter 10 calls it."""
    variant, _, picture = run.partition("/")[2].partition("@")
    name = f"*{variant.replace('_', ' ')}*"
    return f"{name}, first image" if picture else name


def variants() -> str:
    r"""What each variant of the ablation has, or lacks."""
    has = {name: [words.removeprefix("+ "), "–"] for name, words in ADDED.items()}
    for name, part in TAKEN.items():
        has[name] = [has[name][0] if name in has else "–", part]
    lines = [[called(f"ablation/{name}"), *words] for name, words in has.items()]
    return table(["variant", "adds to the one above", "the whole lacks here"], lines)


def verdicts(rows: list[dict]) -> str:
    r"""Every claim: the gains that could show it, and the verdict by the rule."""
    lines = []
    for claim in read_claims(EXPERIMENTS / "claims.yaml"):
        digits = METRICS[claim.metric][1]
        for place, (pair, one) in enumerate(zip(claim.shown_by, claim.effects(rows), strict=True)):
            first = [f"{claim.claim} **[{claim.source}]**", f"**{claim.verdict(rows)}**"]
            compared = f"{METRICS[claim.metric][0]}: {called(pair[0])} against {called(pair[1])}"
            mean, span, noise, gained = gain(one, digits)
            shown = f"{mean} {span}" if span != "–" else mean
            lines.append([*(first if place == 0 else ["", ""]), compared, shown, noise, gained])
    heads = ["Claim", "verdict", "compared", "mean gain and interval", "noise", "seeds gain"]
    return table(heads, lines)


def steps_up(rows: list[dict]) -> str:
    r"""What each step up the ladder, and each removal, gains in every metric."""
    pairs = [(f"ablation/{b}", f"ablation/{a}") for a, b in zip(LADDER, LADDER[1:])]
    pairs += [(f"ablation/{name}", "ablation/whole") for name in TAKEN]
    lines = []
    for run, against in pairs:
        line = [f"{called(run)} against {called(against)}"]
        for metric in MAIN:
            _, digits, better = METRICS[metric]
            one = effect(rows, run, against, metric, better=better)
            line.append(" ".join(gain(one, digits)[:2]).replace("not run –", NOT_RUN))
        lines.append(line)
    return table(["", *(METRICS[m][0] for m in MAIN)], lines)


def closer_than_flat(rows: list[dict]) -> tuple[int, int | None]:
    r"""How many variants of the ablation have rows, and how many of them beat flat colours."""
    flat = list(values(rows, "yardsticks/flat", "fid").values())
    found = [list(values(rows, f"ablation/{name}", "fid").values()) for name in {**ADDED, **TAKEN}]
    means = [np.mean(numbers) for numbers in found if numbers]
    return len(means), sum(mean < flat[0] for mean in means) if flat and means else None


def every_seed(rows: list[dict], runs: Sequence[str]) -> str:
    r"""The values of each seed, as the rows hold them, for the first and the final image."""
    lines = []
    for name in runs:
        variant = name.removeprefix("ablation/")
        for picture in ("first", "final"):
            run = f"{name}@{picture}"
            seeds = sorted(values(rows, run, "fid"))
            for seed in seeds:
                found = [values(rows, run, metric)[seed] for metric in METRICS]
                digits = [METRICS[metric][1] for metric in METRICS]
                shown = [number(*pair) for pair in zip(found, digits)]
                lines.append([variant, picture, str(seed), *shown])
    heads = ["variant", "image", "seed", *(name for name, _, _ in METRICS.values())]
    return table(heads, lines)


def what_ran(rows: list[dict]) -> str:
    r"""Runs, processor time, commit and machine of each experiment."""
    grid = read_grid(EXPERIMENTS / "grid.yaml")
    lines = []
    for name, question in grid.questions.items():
        cells = [cell for cell in grid.cells if cell.experiment == name]
        own = {(row["variant"], row["seed"]): row for row in rows if row["experiment"] == name}
        minutes = sum(row["seconds"] for row in own.values()) / 60
        commits = ", ".join(sorted({f"`{row['commit'][:10]}`" for row in own.values()}))
        runs = f"{len(own)} of {len(cells)}" if own else NOT_RUN
        lines.append([question, runs, number(minutes, 1) if own else "–", commits or "–"])
    return table(["Question", "runs", "minutes of one core", "commit"], lines)


def machine(rows: list[dict]) -> str:
    r"""Device and versions that the rows name."""
    found = {
        f"{row['device']}, one thread; "
        + ", ".join(f"{name} {version}" for name, version in sorted(row["versions"].items()))
        for row in rows
    }
    return "; or ".join(sorted(found)) or NOT_RUN


def pairs_table(rows: list[dict]) -> str:
    r"""Spread of the sampled similarity loss by the number of pairs."""
    lines = []
    for cell in read_grid(EXPERIMENTS / "grid.yaml").cells:
        if cell.experiment != "similarity_pairs" or cell.seed:
            continue
        run = f"similarity_pairs/{cell.variant}"
        pairs = cell.plan.config.losses.similarity_pairs
        own = [row for row in rows if f"{row['experiment']}/{row['variant']}" == run]
        share = number(100 * own[0]["protocol"]["share"], 4) if own else NOT_RUN
        spread = [100 * value for value in values(rows, run, "similarity_spread").values()]
        off = [
            100 * (value / values(rows, run, "similarity_exact")[seed] - 1)
            for seed, value in values(rows, run, "similarity").items()
        ]
        lines.append(
            [
                "all" if pairs is None else str(pairs) if own else "–",
                share,
                mean_and_interval(spread, 2),
                mean_and_interval(off, 2),
            ]
        )
    heads = ["pairs an image", "share of all pairs, %", "spread, % of the loss", "mean off by, %"]
    return table(heads, lines)


def own_variants(experiment: str) -> list[str]:
    r"""The variants of an experiment, as the grid lists them."""
    cells = read_grid(EXPERIMENTS / "grid.yaml").cells
    return list(dict.fromkeys(cell.variant for cell in cells if cell.experiment == experiment))


def paired(rows: list[dict], runs: dict[str, str], against: str) -> str:
    r"""What each run gains over ``against`` with the same seeds, in the distance and the mIoU."""
    lines = []
    for run, called in runs.items():
        line = [called]
        for metric in ("fid", "miou"):
            _, digits, better = METRICS[metric]
            line += gain(effect(rows, run, against, metric, better=better), digits)
        lines.append(line)
    heads = [
        f"{METRICS[metric][0]}: {what}"
        for metric in ("fid", "miou")
        for what in ("mean gain", "interval", "noise", "seeds gain")
    ]
    return table(["", *heads], lines)


def budgets(rows: list[dict]) -> dict[str, str | dict[str, str]]:
    r"""Scores of three variants under three budgets, their order, and the gains in each budget."""
    places = {"half": "budget/{}_half", "as above": "ablation/{}", "double": "budget/{}_double"}
    names = {name: f"*{name}*" for name in ("baseline", "similarity", "whole")}
    shown, orders, gains = {}, [], {}
    for budget, place in places.items():
        runs = {place.format(variant): words for variant, words in names.items()}
        shown |= {run: f"{words}, steps {budget}" for run, words in runs.items()}
        orders.append([budget, *(best_first(rows, runs, metric) for metric in ("fid", "miou"))])
        baseline, *others = runs
        gains[budget] = paired(rows, {run: runs[run] for run in others}, baseline)
    heads = ["steps", "by toy FID, best first", "by mIoU, best first"]
    return {"scores": scores(rows, shown), "orders": table(heads, orders), "gains": gains}


def best_first(rows: list[dict], runs: dict[str, str], metric: str) -> str:
    r"""The runs in the order of their means."""
    found = {words: list(values(rows, run, metric).values()) for run, words in runs.items()}
    if not all(found.values()):
        return NOT_RUN
    higher = METRICS[metric][2] == "higher"
    return ", ".join(sorted(found, key=lambda words: np.mean(found[words]), reverse=higher))


def beside(rows: list[dict], experiment: str) -> dict[str, str]:
    r"""Scores of an experiment's variants and of the runs beside; gains over the first of these."""
    others = {run: called(run) for run in read_grid(EXPERIMENTS / "grid.yaml").beside[experiment]}
    own = {
        f"{experiment}/{name}": called(f"{experiment}/{name}") for name in own_variants(experiment)
    }
    first, *rest = others
    gains = paired(rows, {run: others[run] for run in rest} | own, first)
    return {"scores": scores(rows, others | own), "against": others[first], "gains": gains}


def ablation(rows: list[dict]) -> str:
    r"""Scores of pictures that no network painted, of each step up, and of each removal."""
    runs = {"yardsticks/real": "real pictures", "yardsticks/flat": "flat class colours"}
    names = [f"ablation/{name}" for name in dict.fromkeys([*LADDER, *TAKEN])]
    return scores(rows, runs | {run: called(run) for run in names})


def render(rows: list[dict]) -> str:
    r"""The whole page."""
    runs = [f"ablation/{name}" for name in dict.fromkeys([*LADDER, *TAKEN])]
    runs += [f"{name}/{variant}" for name in QUESTIONS for variant in own_variants(name)]
    compared, closer = closer_than_flat(rows)
    return pages.render(
        "results",
        not_run=NOT_RUN,
        what_ran=what_ran(rows),
        machine=machine(rows),
        verdicts=verdicts(rows),
        ablation=ablation(rows),
        variants=variants(),
        compared=compared,
        closer=closer,
        steps_up=steps_up(rows),
        questions=read_grid(EXPERIMENTS / "grid.yaml").questions,
        beside={experiment: beside(rows, experiment) for experiment in QUESTIONS[:-1]},
        budgets=budgets(rows),
        pairs=pairs_table(rows),
        every_seed=every_seed(rows, runs),
    )


if __name__ == "__main__":
    pages.write("results", render(read_rows(EXPERIMENTS / "results")))
