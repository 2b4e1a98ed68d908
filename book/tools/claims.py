r"""What the rows say of the claims: a table, plain words, and three sentences for the top."""

import numpy as np

from book.tools.pages import table
from book.tools.row_tables import gain, gain_and_seeds, number
from ecgan.experiments.comparison import (
    CONTRADICTED,
    EXPERIMENTS,
    NOT_RUN,
    SUPPORTED,
    UNSEEN,
    Claim,
    effect,
    read_claims,
    values,
)
from ecgan.experiments.words import METRICS, TAKEN, called

# Nothing, everything, and everything but one of the paper's three parts.
FIRST = ("baseline", "whole", "without_edges", "without_semantic", "similarity")


def verdict_or_wait(claim: Claim, rows: list[dict]) -> str:
    r"""The verdict, or how many pairs of runs are still to come."""
    found, waits = claim.verdict(rows), claim.waits(rows)
    return f"**waits** for {waits} pairs of runs" if found == NOT_RUN and rows else f"**{found}**"


def verdicts(rows: list[dict]) -> str:
    r"""Every claim: the gains that could show it, and the verdict by the rule.

    Beside the distance that decides stands the unbiased one, which does not.
    """
    lines = []
    for index, claim in enumerate(read_claims(EXPERIMENTS / "claims.yaml"), start=1):
        known, text = METRICS[claim.metric], f"`{index}` {claim.claim} **[{claim.source}]**"
        verdict = verdict_or_wait(claim, rows)
        for (run, against), one in zip(claim.shown_by, claim.effects(rows), strict=True):
            compared = f"{known.name}: {called(run)} against {called(against)}"
            mean, span, noise, gained = gain(one, known.digits)
            shown = f"{mean} {span}" if span != "–" else mean
            if claim.metric == "fid" and one.gains:
                beside = effect(rows, run, against, "kid", better="lower")
                shown += f"; toy KID {gain_and_seeds(beside, METRICS['kid'].digits)}"
            lines.append([text, verdict, compared, shown, noise, gained])
            text = verdict = ""
    names = ["Claim", "verdict", "compared", "mean gain and interval", "noise", "seeds better"]
    return table(names, lines)


def minds(rows: list[dict]) -> str:
    r"""Each claim's verdict in plain words: why this metric, and what would change our mind."""
    said = {
        SUPPORTED: "Seen here: every seed of a pair is better with the part than without it.",
        CONTRADICTED: "Here it is the other way round, in every seed of a pair.",
        UNSEEN: "Not seen here: seeds fall on both sides, or the pairs disagree.",
        NOT_RUN: "No answer yet: some of its runs are still to come.",
    }
    return "\n".join(
        f"`{index}` {claim.claim}\n: **{said[claim.verdict(rows)]}** *Why this metric:* "
        f"{claim.why} *What would change our mind:* {claim.otherwise}\n"
        for index, claim in enumerate(read_claims(EXPERIMENTS / "claims.yaml"), start=1)
    )


def opening(rows: list[dict]) -> list[str]:
    r"""Three sentences that the rows allow."""
    claims = read_claims(EXPERIMENTS / "claims.yaml")
    found = [claim.verdict(rows) for claim in claims]
    counted = ", ".join(
        f"{found.count(kind) or 'none'} {words}"
        for kind, words in (
            (SUPPORTED, "supported"),
            (CONTRADICTED, "contradicted"),
            (UNSEEN, "not visible"),
            (NOT_RUN, "still waiting for runs"),
        )
    )
    means = {
        name: list(values(rows, run, "fid").values())
        for name, run in (
            ("the whole", "ablation/whole"),
            ("the image branch alone", "ablation/baseline"),
            ("flat class colours", "yardsticks/flat"),
        )
    }
    digits = METRICS["fid"].digits
    shown = ", ".join(
        f"{name} {number(float(np.mean(many)), digits) if many else NOT_RUN}"
        for name, many in means.items()
    )
    lacks = []
    for variant in FIRST[2:]:
        one = effect(rows, "ablation/whole", f"ablation/{variant}", "fid", better="lower")
        seeds = f"{one.better_seeds} of {len(one.gains)} seeds" if one.gains else NOT_RUN
        lacks.append(f"{TAKEN[variant]}: {seeds}")
    return [
        f"Of {len(claims)} claims about ECGAN's parts, on our small drawn streets: {counted}.",
        f"Distance from real pictures (toy FID, lower is better): {shown}.",
        f"Taking one part from the whole makes that distance worse in: {'; '.join(lacks)}.",
    ]
