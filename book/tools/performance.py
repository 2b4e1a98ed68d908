r"""Writes the page on speed from its rows: `python -m book.tools.performance`."""

import json
import re

from benchmarks import cases
from book import ROOT
from book.tools import gpu, pages
from ecgan.files import records

RESULTS = ROOT / "benchmarks" / "results"
PAGE = pages.RENDERED / "performance.md"
CHAPTER = ROOT / "notebooks" / "03_spade.ipynb"
SENTENCE = "*Ours (CPU), on real layouts.*"
CASES = {
    "toy": "64 px, toy, base 16, batch 8",
    "35 classes": "256 px, 35 classes, batch 1",
    "183 classes": "256 px, 183 classes, batch 1",
}


def stored(name: str) -> list[dict]:
    r"""All rows of a file."""
    return [json.loads(line) for line in (RESULTS / f"{name}.jsonl").read_text().splitlines()]


def rows(name: str) -> list[dict]:
    r"""The rows that count: of one kind the last, of a processor as it is."""
    kind = ("case", "metric", "side", "part")
    found = [row for row in stored(name) if records.LIMITED not in row["device"]]
    return list({tuple(row.get(key) for key in kind): row for row in found}.values())


def numbers(heads: list[str], lines: list[list[str]]) -> str:
    r"""A table of numbers in Markdown, with words in the first column."""
    return pages.table(heads, lines, rest="---:")


def ratio(row: dict) -> str:
    r"""A ratio, and its range where it was repeated."""
    low, high = row["spread"]
    return f"{row['value']:.2f}" + (f" ({low:.2f} to {high:.2f})" if row["repeats"] > 1 else "")


def find(found: list[dict], **wanted) -> dict:
    r"""The one row with these entries."""
    return next(row for row in found if all(row.get(k) == v for k, v in wanted.items()))


def ratios(speed: list[dict]) -> dict[str, str]:
    r"""Ours over the released schedule, the seconds behind them, and where it was measured."""
    lines, seconds = [], []
    for case, title in CASES.items():
        chosen = [find(speed, case=case, metric=metric) for metric in cases.METRICS]
        layouts = (
            "scenes" if chosen[0]["layouts"] == "scenes" else f"{chosen[0]['layouts']} layouts"
        )
        lines.append([f"{title}, {layouts}", *map(ratio, chosen)])
        pairs = [f"{row['ours']:.2f} / {row['released']:.2f} {row['unit']}" for row in chosen]
        seconds.append([title, *pairs])
    again = {name: find(speed, case=name, metric="recomputing")["value"] for name in CASES}
    heads = ["*ours* (CPU)", *cases.METRICS]
    return {
        "ratios": numbers(heads, lines),
        "medians": numbers(heads, seconds),
        "recomputed": ", ".join(f"{value:.2f} ({name})" for name, value in again.items()),
        "device": chosen[0]["device"],
        "torch": chosen[0]["versions"]["torch"],
    }


def machine(parts: list[dict]) -> dict[str, float]:
    r"""What the machine does at best: GFLOP/s of a big convolution, GB/s of a large copy."""
    measured = {"fp32": "convolution fp32", "bf16": "convolution bf16", "copies": "copy"}
    return {
        name: find(parts, case="machine", metric=metric)["value"]
        for name, metric in measured.items()
    }


def processors() -> str:
    r"""A big convolution in 32 and in 16 bits on each processor, by its newest rows."""
    rates: dict[str, dict[str, float]] = {}
    for row in stored("parts"):
        if row["case"] == "machine":
            rates.setdefault(row["device"], {})[row["metric"]] = row["value"]
    lines = []
    for device, found in rates.items():
        fp32, bf16 = (found[f"convolution {precision}"] for precision in ("fp32", "bf16"))
        lines.append([device, f"{fp32:.0f}", f"{bf16:.0f}", f"{bf16 / fp32:.2f}"])
    return numbers(["*ours* (CPU)", "fp32, GFLOP/s", "bf16, GFLOP/s", "bf16 / fp32"], lines)


def floors(parts: list[dict], speed: list[dict]) -> str:
    r"""How far the counted work says that one could come."""
    rate = machine(parts)["fp32"]
    lines = []
    for case, title in CASES.items():
        ours, theirs = (
            find(parts, case=case, metric="step", side=side)["value"]
            for side in ("ours", "released")
        )
        taken = find(speed, case=case, metric="step fp32")
        lines.append(
            [title, f"{theirs:.0f}", f"{ours:.0f}", f"{ours / theirs:.2f}", f"{ours / rate:.2f} s"]
        )
        lines[-1] += [f"{taken['ours']:.2f} s", f"{taken['ours'] / (ours / rate):.1f}"]
    heads = ["a step, *ours* (CPU)", "released, GFLOP", "ours, GFLOP", "ratio of work", "floor"]
    return numbers([*heads, "measured", "measured / floor"], lines)


def lowest_ratios(parts: list[dict], speed: list[dict]) -> str:
    r"""The ratio that each time would have if ours ran at the rate of a big convolution."""
    rates = machine(parts)
    lines = []
    for case, title in CASES.items():
        step = find(parts, case=case, metric="step", side="ours")["value"]
        own = [row for row in parts if row["case"] == case and row["metric"] == "synthesis"]
        synthesis = sum(row["value"] for row in own if row["side"] == "ours")
        work = {"step fp32": step / rates["fp32"], "inference fp32": synthesis / rates["fp32"]}
        work["step bf16"] = step / rates["bf16"]
        lines.append([title])
        for metric, seconds in work.items():
            row = find(speed, case=case, metric=metric)
            lines[-1].append(f"{seconds / row['released']:.2f} ({row['value']:.2f} measured)")
    return numbers(["floor, *ours* (CPU)", *cases.METRICS[:3]], lines)


def modules(parts: list[dict]) -> list[str]:
    r"""Work and traffic of a synthesis by part, a table for each case."""
    rates, tables = machine(parts), []
    for case, title in CASES.items():
        chosen = [row for row in parts if row["case"] == case and row["metric"] == "synthesis"]
        lines = []
        for name in sorted({row["part"] for row in chosen}):
            line = [name]
            for side in ("released", "ours"):
                row = find(chosen, part=name, side=side)
                line += [f"{row['value']:.2f}", f"{row['gigabytes']:.2f}"]
            moved, computed = row["gigabytes"] / rates["copies"], row["value"] / rates["fp32"]
            lines.append([*line, "memory" if moved > computed else "arithmetic"])
        heads = [title, "released, GFLOP", "GB", "ours, GFLOP", "GB", "ours is bound by"]
        tables.append(numbers(heads, lines))
    return tables


def smaller(parts: list[dict]) -> str:
    r"""What lies beside the networks."""
    lines = []
    for row in parts:
        if row["case"] == "smaller":
            value, low, high = (
                f"{n:,.0f}" if abs(n) >= 100 else f"{n:.3g}" for n in (row["value"], *row["spread"])
            )
            lines.append([row["metric"], value, f"{low} to {high}"])
    return numbers(["*ours* (CPU)", "median", "range"], lines)


def tricks(found: list[dict]) -> str:
    r"""What each trick is worth."""
    names = list(dict.fromkeys(row["metric"] for row in found))
    lines = []
    for name in names:
        rows_of = {row["case"]: row for row in found if row["metric"] == name}
        lines.append([name])
        for row in map(rows_of.get, CASES):
            low, high = row["spread"] if row else (0, 0)
            shown = f"{row['value']:.2f} ({low:.2f} to {high:.2f})" if row else "*not run*"
            lines[-1].append(shown)
    return numbers(["without / with, *ours* (CPU)", *CASES.values()], lines)


def distinct(parts: list[dict]) -> dict[str, str]:
    r"""How many neighbourhoods are distinct, and in which layouts."""
    chosen = [row for row in parts if row["case"] == "shares"]
    real = chosen[0]["layouts"] == "real"
    heads = ["side, pixels", *(row["metric"] for row in chosen)]
    shares = numbers(heads, [["distinct, *ours*", *(f"{row['value']:.0%}" for row in chosen)]])
    kind = "real layouts of COCO-Stuff" if real else "toy layouts"
    return {"shares": shares, "count": chosen[0]["count"], "kind": kind}


def render() -> str:
    r"""The whole page."""
    speed, parts = rows("speed"), rows("parts")
    return pages.render(
        "performance",
        **ratios(speed),
        machine=machine(parts),
        floors=floors(parts, speed),
        lowest=lowest_ratios(parts, speed),
        modules=modules(parts),
        tricks=tricks(rows("tricks")),
        distinct=distinct(parts),
        smaller=smaller(parts),
        processors=processors(),
        gpu=gpu.section(),
    )


def on_real_layouts() -> str:
    r"""The sentence of chapter 03 on what gathering gains."""
    shares = {row["metric"]: row for row in rows("parts") if row["case"] == "shares"}
    gain = find(rows("tricks"), case="183 classes", metric="distinct neighbourhoods")
    kinds = {shares["256"]["layouts"], gain["layouts"]}
    if kinds != {"real"}:
        raise SystemExit("chapter 03 speaks of real layouts: measure with --layouts")
    return (
        f"{SENTENCE} In {shares['256']['count']} layouts of COCO-Stuff together "
        f"{shares['256']['value']:.0%} of the neighbourhoods at 256 by 256 pixels are distinct, "
        f"{shares['64']['value']:.0%} at 64 by 64. A training step of the model for 183 classes "
        f"takes {gain['value']:.1f} times as long if it convolves them all "
        f"({gain['spread'][0]:.1f} to {gain['spread'][1]:.1f}, over {gain['repeats']} layouts)."
    )


def chapter() -> str:
    r"""Chapter 03 with that sentence as the rows have it."""
    text, sentence = CHAPTER.read_text(), json.dumps(on_real_layouts())[1:-1]
    return re.sub(re.escape(SENTENCE) + r"[^\n]*?(?=\\n\",|\"\n)", lambda _: sentence, text)


if __name__ == "__main__":
    pages.write("performance", render())
    CHAPTER.write_text(chapter())
