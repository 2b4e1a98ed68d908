r"""What the rows of ``benchmarks/gpu`` say, as tables of the page on speed."""

from book import ROOT
from book.tools import pages
from ecgan.files import records

RESULTS = ROOT / "benchmarks" / "results" / "gpu.jsonl"
KINDS = {"step": "a step", "synthesis": "a synthesis", "run": "a run, cut off and resumed"}
PRECISIONS = ("fp32", "bf16", "fp16")
WAYS = {
    "ours recorded": "ours, recorded",
    "ours": "ours, as written",
    "ours compiled": "ours, compiled",
    "ours distinct": "ours, distinct neighbourhoods",
    "released schedule": "released schedule",
    "released schedule recorded": "released schedule, recorded",
}


def rows(what: str) -> list[dict]:
    r"""The rows of one command that were measured on a graphics card."""
    found = [row for row in records.read(RESULTS) if row["what"] == what]
    return [row for row in found if row["error"] is None and row["device"] != "cpu"]


def runs() -> str:
    r"""What has run at all, in which precisions."""
    found = rows("runs")
    lines = []
    for case in dict.fromkeys(row["case"] for row in found):
        own = {(row["kind"], row["precision"]) for row in found if row["case"] == case}
        ran = [
            ", ".join(p for p in PRECISIONS if (kind, p) in own) or "*not run*" for kind in KINDS
        ]
        lines.append([f"`{case}`", *ran])
    return pages.table(["preset", *KINDS.values()], lines)


def updates() -> str:
    r"""An update as it is written, and recorded."""
    found = rows("stops")
    ways = list(dict.fromkeys(row["way"] for row in found))
    lines = []
    for size in dict.fromkeys(row["size"] for row in found):
        own = {row["way"]: row for row in found if row["size"] == size}
        shown = [
            f"{own[way]['ms']:.1f} ({own[way]['spread'][0]:.1f} to {own[way]['spread'][1]:.1f})"
            if way in own
            else "*not run*"
            for way in ways
        ]
        lines.append([f"{size} x {size} pixels", *shown])
    return pages.table(["ms an update", *ways], lines, rest="---:")


def speed() -> str:
    r"""Images a second in training, memory, and the share of what the chip can do."""
    lines = []
    for row in rows("speed"):
        low, high = row["spread"]
        lines.append(
            [
                f"{row['case']}, {row['precision']}, batch {row['batch']}",
                WAYS[row["way"]],
                f"{row['images_a_second']:.1f} ({low:.1f} to {high:.1f})",
                f"{row['memory'] / 2**30:.1f}",
                f"{row['share_of_peak']:.1%}",
            ]
        )
    heads = ["", "schedule", "images a second", "memory, GiB", "share of peak"]
    return pages.table(heads, lines, rest="---:")


def gain(case: str, *, batch: int) -> float:
    r"""Images a second of ours, recorded, over those of the released schedule."""
    own = {row["way"]: row for row in rows("speed") if (row["case"], row["batch"]) == (case, batch)}
    theirs = own["released schedule"]["images_a_second"]
    return own["ours recorded"]["images_a_second"] / theirs


def section() -> dict:
    r"""All that the page says of graphics cards."""
    (first, *_) = rows("stops")
    return {
        "device": first["device"],
        "torch": first["versions"]["torch"],
        "stops": max(row["stops"] for row in rows("stops")),
        "runs": runs(),
        "updates": updates(),
        "speed": speed(),
        "gains": {batch: gain("facades-size", batch=batch) for batch in (1, 4)},
    }
