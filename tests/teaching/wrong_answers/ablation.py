r"""Typical wrong answers to the exercises of chapter 10."""

import numpy as np


def means_of_all(part, without):
    return np.mean(list(without.values())) - np.mean(list(part.values())), 0.0


def pairs(part, without, *, sign=1, root=True):
    gains = [sign * (without[seed] - part[seed]) for seed in part if seed in without]
    error = np.std(gains, ddof=1)
    return np.mean(gains), error / np.sqrt(len(gains)) if root else error


def by_the_interval_alone(gains, low, high):
    return "supported" if low > 0 else "contradicted" if high < 0 else "not visible"


WRONG = {
    "ablation.variant": [
        ("no_transfer: {model.edge_transfr: false}", "did you mean 'edge_transfer'"),
        ("no_transfer: {model.edge_branch: false}", "switch edge_transfer off too"),
        ("no_edges: {model.edge_branch: false, model.edge_transfer: false}", "was to stay"),
        ("no_transfer: {model.edge_transfer: 0}", "allowed is true or false"),
        ("no_transfer: {}", "the whole once more"),
        ("other: {model.edge_transfer: false, training.steps: 9}", "Only the transfer was to go"),
        ("no_transfer:\n  model.edge_transfer: false", "one line is enough"),
        ("no_transfer: {model.edge_transfer: false", "is no YAML"),
        ({"model.edge_transfer": False}, "as a string"),
    ],
    "ablation.gain": [
        (means_of_all, "over *all* seeds"),
        (lambda part, without: pairs(part, without, sign=-1), "the wrong way round"),
        (lambda part, without: pairs(part, without, root=False), "error of a *mean*"),
        (lambda part, without: pairs(part, without)[0], "two numbers are wanted"),
    ],
    "ablation.verdict": [
        (by_the_interval_alone, "only together with the seeds"),
        (lambda gains, low, high: np.mean(gains) > 0, 'say "supported"'),
        (
            lambda gains, low, high: "supported" if np.mean(gains) > 0 else "contradicted",
            "it is not visible",
        ),
    ],
    "ablation.luck": [
        (lambda seeds, claims: 0.5**seeds, "the chance for one claim"),
        (lambda seeds, claims: claims * 0.5**seeds, "counts twice"),
        (lambda seeds, claims: 1 - (1 - 2 * 0.5**seeds) ** claims, "one half a seed"),
        (lambda seeds, claims: seeds / claims, "Each seed is a coin"),
    ],
}
