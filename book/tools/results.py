r"""Writes the page of results from its rows: `python -m book.tools.results`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from book.tools import pages
from book.tools.claims import FIRST, minds, opening, verdicts
from book.tools.pages import table
from book.tools.row_tables import MAIN, gain_and_seeds, mean_and_interval, number, scores
from book.tools.shipped_scores import NETWORKS, plan, read_networks, scored
from ecgan.experiments.comparison import (
    EXPERIMENTS,
    NOT_RUN,
    SEEDS_NEEDED,
    as_rows,
    effect,
    read_claims,
    read_rows,
    values,
)
from ecgan.experiments.grid import Grid, read_grid
from ecgan.experiments.trial import SHARES
from ecgan.experiments.words import ADDED, METRICS, TAKEN, VARIANTS, called
from ecgan.teaching.ablation_figures import gains
from ecgan.teaching.figures import use_style

PAGE = pages.RENDERED / "results.md"
PICTURE = pages.RENDERED / "results.png"
GRIDS = ("grid", "photographs")
SMALL = ("recall_6", "recall_12", "recall_24", "iou_lamp", "iou_person", "edge_density")
SEEN_BY_SEED = (*MAIN, *SMALL, "accuracy", "edge_f1")
PHOTOGRAPHS = ("fd-lite", "kd-lite", "miou", "inner_edges", "recall_small", "agreement")
QUESTIONS = ("rate", "edge_targets", "layouts", "temperature", "label_loss")


def grids() -> dict[str, Grid]:
    r"""Both grids, by name."""
    return {name: read_grid(EXPERIMENTS / f"{name}.yaml") for name in GRIDS}


def variants() -> str:
    r"""What each variant of the ablation has, or lacks."""
    has = {name: [words.removeprefix("+ "), "–"] for name, words in ADDED.items()}
    for name, part in TAKEN.items():
        has[name] = [has[name][0] if name in has else "–", part]
    lines = [[called(f"ablation/{name}"), *words] for name, words in has.items()]
    return table(["variant", "adds to the one above", "the whole lacks here"], lines)


def steps_up(rows: list[dict]) -> str:
    r"""What each step up the ladder, and each removal, gains in every metric."""
    ladder = list(ADDED)
    pairs = [(f"ablation/{b}", f"ablation/{a}") for a, b in zip(ladder, ladder[1:])]
    pairs += [("ablation/whole", f"ablation/{name}") for name in TAKEN]
    lines = [
        [
            f"{called(run)} against {called(against)}",
            *(
                gain_and_seeds(
                    effect(rows, run, against, metric, better=METRICS[metric].better),
                    METRICS[metric].digits,
                )
                for metric in MAIN
            ),
        ]
        for run, against in pairs
    ]
    return table(["", *(METRICS[m].name for m in MAIN)], lines)


def shares_of_training(rows: list[dict]) -> str:
    r"""The variants' order after shares of the training, best first, by two metrics."""
    runs = {f"ablation/{name}": called(f"ablation/{name}") for name in VARIANTS}
    words = {0.25: "a quarter", 0.5: "a half", 1.0: "all"}
    lines = []
    for share in (*SHARES, 1.0):
        line = [words[share]]
        for metric in ("fid", "recall_small"):
            found = {name: values(rows, run, metric, share=share) for run, name in runs.items()}
            means = {name: np.mean(list(by.values())) for name, by in found.items() if by}
            higher = METRICS[metric].better == "higher"
            order = sorted(means, key=means.get, reverse=higher)
            digits = METRICS[metric].digits
            shown = [f"{name} {number(float(means[name]), digits)}" for name in order]
            line.append(", ".join(shown) or NOT_RUN)
        lines.append(line)
    names = [f"by {METRICS[m].name}, best first" for m in ("fid", "recall_small")]
    return table(["steps", *names], lines)


def closer_than_flat(rows: list[dict]) -> tuple[int, int | None]:
    r"""How many variants of the ablation have rows, and how many of them beat flat colours."""
    flat = list(values(rows, "yardsticks/flat", "fid").values())
    found = [list(values(rows, f"ablation/{name}", "fid").values()) for name in VARIANTS]
    means = [np.mean(numbers) for numbers in found if numbers]
    return len(means), sum(mean < flat[0] for mean in means) if flat and means else None


def photographs(rows: list[dict]) -> dict[str, str]:
    r"""Scores of the grid on photographs, and what the whole gains over each other run."""
    runs = {
        "photograph_yardsticks/real": "real photographs",
        "photograph_yardsticks/flat": "flat class colours",
    }
    runs |= {f"photographs/{name}": called(f"photographs/{name}") for name in FIRST}
    lines = []
    for name in FIRST:
        if name != "whole":
            line = [f"*whole* against {called(f'photographs/{name}')}"]
            for metric in PHOTOGRAPHS:
                known = METRICS[metric]
                pair = ("photographs/whole", f"photographs/{name}")
                one = effect(rows, *pair, metric, better=known.better)
                line.append(gain_and_seeds(one, known.digits))
            lines.append(line)
    gained = table(["", *(METRICS[m].name for m in PHOTOGRAPHS)], lines)
    return {"scores": scores(rows, runs, PHOTOGRAPHS), "gains": gained}


def every_seed(rows: list[dict], runs: Sequence[str]) -> str:
    r"""The values of each seed, as the rows hold them, for the first and the final image."""
    lines = []
    for name in runs:
        variant = name.removeprefix("ablation/")
        for picture in ("first", "final"):
            run = f"{name}@{picture}"
            for seed in sorted(values(rows, run, "fid")):
                found = {metric: values(rows, run, metric) for metric in SEEN_BY_SEED}
                shown = [
                    number(by.get(seed, np.nan), METRICS[metric].digits)
                    for metric, by in found.items()
                ]
                lines.append([variant, picture, str(seed), *shown])
    return table(["variant", "image", "seed", *(METRICS[m].name for m in SEEN_BY_SEED)], lines)


def what_ran(rows: list[dict]) -> str:
    r"""Runs, processor time, commit and machine of each experiment."""
    lines = []
    for grid in grids().values():
        for name, question in grid.questions.items():
            cells = [cell for cell in grid.cells if cell.experiment == name]
            own = {(row["variant"], row["seed"]): row for row in rows if row["experiment"] == name}
            minutes = sum(row["seconds"] for row in own.values()) / 60
            commits = ", ".join(sorted({f"`{row['commit'][:10]}`" for row in own.values()}))
            runs = f"{len(own)} of {len(cells)}" if own else NOT_RUN
            shown = number(minutes, 1) if own else "–"
            lines.append([question, runs, shown, devices(own.values()) or "–", commits or "–"])
    return table(["Question", "runs", "minutes of one core", "trained on", "commit"], lines)


def devices(rows: Iterable[dict]) -> str:
    r"""Where runs were trained, and how many of them on each device."""
    counts = Counter("CPU" if row["device"] == "cpu" else row["device"] for row in rows)
    return ", ".join(f"{count} {device}" for device, count in counts.most_common())


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
    cells = grids()["grid"].cells
    return list(dict.fromkeys(cell.variant for cell in cells if cell.experiment == experiment))


def beside(rows: list[dict], experiment: str) -> dict[str, str]:
    r"""Scores of an experiment's variants and of the runs beside; gains over the first of these."""
    others = {run: called(run) for run in grids()["grid"].beside[experiment]}
    own = {
        f"{experiment}/{name}": called(f"{experiment}/{name}") for name in own_variants(experiment)
    }
    first, *rest = others
    lines = []
    for run, name in ({run: others[run] for run in rest} | own).items():
        found = [(METRICS[m], effect(rows, run, first, m, better=METRICS[m].better)) for m in MAIN]
        lines.append([name, *(gain_and_seeds(one, known.digits) for known, one in found)])
    gained = table(["", *(METRICS[m].name for m in MAIN)], lines)
    return {"scores": scores(rows, others | own), "against": others[first], "gains": gained}


def ablation(rows: list[dict], metrics: Sequence[str] = MAIN) -> str:
    r"""Scores of pictures that no network painted, of each step up, and of each removal."""
    runs = {"yardsticks/real": "real pictures", "yardsticks/flat": "flat class colours"}
    runs |= {f"ablation/{name}": called(f"ablation/{name}") for name in VARIANTS}
    return scores(rows, runs, metrics)


def render(rows: list[dict], networks: Mapping[str, list[dict]]) -> str:
    r"""The whole page, from rows of runs, and of ``networks`` by name."""
    rows = as_rows(rows)
    runs = [f"ablation/{name}" for name in VARIANTS]
    runs += [f"{name}/{variant}" for name in QUESTIONS for variant in own_variants(name)]
    compared, closer = closer_than_flat(rows)
    return pages.render(
        "results",
        not_run=NOT_RUN,
        needed=SEEDS_NEEDED,
        opening=opening(rows),
        what_ran=what_ran(rows),
        machine=machine(rows),
        verdicts=verdicts(rows),
        minds=minds(rows),
        ablation=ablation(rows),
        small=ablation(rows, SMALL),
        variants=variants(),
        compared=compared,
        closer=closer,
        steps_up=steps_up(rows),
        shares=shares_of_training(rows),
        photographs=photographs(rows),
        shipped={name: scored(networks.get(name, [])) for name in NETWORKS},
        facades=plan(networks.get("facades", [])),
        questions=grids()["grid"].questions,
        beside={experiment: beside(rows, experiment) for experiment in QUESTIONS},
        pairs=pairs_table(rows),
        every_seed=every_seed(rows, runs),
    )


def draw(rows: list[dict]) -> None:
    r"""The figure at the top of the page."""
    use_style()
    gains(rows, read_claims(EXPERIMENTS / "claims.yaml")).savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    found = read_rows(EXPERIMENTS / "results")
    pages.write("results", render(found, read_networks()))
    draw(found)
