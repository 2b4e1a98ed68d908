r"""Write the page on speed from its rows: `python book/performance.py`. A test holds both equal."""

import json
import re
import sys
from pathlib import Path

BOOK = Path(__file__).resolve().parent
RESULTS = BOOK.parent / "benchmarks" / "results"
PAGE = BOOK / "performance.md"
CHAPTER = BOOK.parent / "notebooks" / "03_spade.ipynb"
SENTENCE = "*Ours (CPU), on real layouts.*"
sys.path.insert(0, str(BOOK.parent / "benchmarks"))
import cases  # noqa: E402

NOTICE = "<!-- Written by book/performance.py from benchmarks/results: change those. -->\n"
CASES = {
    "toy": "64 px, toy, base 16, batch 8",
    "35 classes": "256 px, 35 classes, batch 1",
    "183 classes": "256 px, 183 classes, batch 1",
}
OPENING = """\
# Speed and memory

The same mathematics can be computed in many ways. This page says what ECGAN costs, what this
package does about it, and how far each trick carries. **Every number here is measured by**
`make bench` and rendered from its rows; they are *ours*, on one machine's CPU, and yours will
differ.

All ratios compare with the *released schedule*: the same networks and losses, written down
without care for speed, as the authors' code runs them {cite}`tang2023ecgan`. It takes two
generator passes a step. Each of edge, $I'$ and $I''$ is judged by a pass of its own, together
with its real picture, in both updates. $\\gamma$ and $\\beta$ are two convolutions at every
pixel, and the layout is resized in every layer.
"""
LESSONS = """
## The lessons

**Compute once what is the same twice.** The released step makes the fakes twice, once for each
network's update. Updating both networks from one pass halves the generator's work. This is the
one trick that changes the training a little: the discriminator learns from the fakes before the
generator's update, not after. `simultaneous=False` gives the released order back. Everything
below leaves each number as it was, up to rounding, and `tests/test_fast_paths.py` holds each to
its naive form, values and gradients.

**Most pixels have been seen before.** $\\gamma$ and $\\beta$ depend on 5 x 5 labels and on
nothing else ([chapter 03](../notebooks/03_spade.ipynb)). They are computed once for each
*distinct* neighbourhood and gathered. Where more than half of the 3 x 3 neighbourhoods are
distinct, as in the coarsest layers or in noise, they are convolved as before.

**A gather's gradient can be a gather.** Where rows are handed out to many pixels, the gradient
adds up what comes back. Scattering into the rows is slow on a CPU. Sorting the pixels by their
row once turns the gradient into sums of rows that lie ready, which is `Rows` in
`ecgan/fast/neighbourhoods.py`.

**A convolution over one-hot labels is a lookup.** With 183 classes the layout is most of what
the semantic preserving module convolves. Its share is looked up instead; the other channels are
convolved as before.

**Ask each judge once.** All fake pictures go through the discriminator in one pass, the real
ones in another, and the layout's share of the first convolution is computed once for all of
them. The label generator looks at a picture once for its features and its scores.

**Let a pixel's channels lie side by side.** Layers of few channels at many pixels are faster
with channels last in memory. The generator, the discriminator and the label generator put their
input so; what follows stays so, as long as nobody disturbs it. For one picture alone
`einops.pack` did: it reshapes, and a reshaped batch of one no longer says in which order it lies.
The semantic preserving module then convolved 182 maps in the slower order, and no test noticed,
for the numbers were right. One asserts the order now.

**Divide the small thing.** Spectral normalisation divides a weight by its largest singular value.
For 1024 to 1024 channels the weight has nine million entries, and the map that it meets, of 16 by
16 pixels, a quarter of a million. `W / s` is a pass over all the weights, and its gradient several
more. But `(W / s) * x` is `(W * x) / s`. `Convolution` in `ecgan/method/layers.py` divides the
result where it is so much smaller.

**Few pixels are a product.** A convolution first copies its weights into an order of its own.
Over many pixels that costs next to nothing; for nine million weights it shows at 16 by 16 pixels,
and at 8 by 8 it is most of the time. There the patches are laid out instead, and one matrix product
takes the weights as they lie.

**Fold what is fixed.** While a picture is only synthesised, batch norm is one factor and one
shift a channel. They are multiplied into each distinct $1 + \\gamma$ and $\\beta$, a few
thousand rows, and no pixel is normalised by itself. What is left, $x$ times a row plus a row, is
computed for as many pixels at a time as the processor's cache holds, so that the spread rows
never travel to memory.

**Write over what nobody needs.** The gradient of LeakyReLU can be told from its result. So it is
written over its input, where no other layer reads that: a map less to allocate, to fill and to
keep.

**Give back before you fill.** Both losses share one graph. The generator's gradients are computed
last: as they fill memory, the graph gives its maps back. The other way round everything lies
there at once.

**A number needs its bits.** To find the distinct neighbourhoods every pixel gets a number, up to
twice the channels. Under `autocast` that sum was rounded to 8 bits, the check that follows saw
that the numbers were wrong, and everything was convolved densely: right results, slowly. Only
timing one layout after another showed it. The numbers are now made in 32 bits.

**Half the bits.** With `precision="bf16"` most of the forward pass is computed in 16 bits. It
pays where the processor multiplies them natively (`avx512_bf16` or `amx_bf16` on x86). It is a
choice in the training config and never made silently, because it changes results; inference
stays in fp32 unless you open `torch.autocast` around it.

**Memory for time.** `RunSettings(recompute=True)` does not keep $\\gamma$ and $\\beta$ for the
gradients but makes them again. With gathered modulation that is cheap, and the weights that
come out are the same to the bit.

What each of them is worth by itself: a training step without it, over a step with all of them,
or a synthesis where the line says so.
Below 1 the trick costs more than it saves in that case. A line whose range holds 1 shows neither:
the machine had other work.

"""
GPU = """
## On a GPU

*Not run*: no GPU was at hand. `python benchmarks/gpu/speed.py` prints the table for one: fp32, TF32
and bf16, eager and `torch.compile`, with and without distinct neighbourhoods. Until it has been
run, the default on a GPU is to convolve everywhere.
"""


def rows(name: str) -> list[dict]:
    r"""The stored rows; of rows of one kind the last one counts."""
    path = RESULTS / f"{name}.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    kind = ("case", "metric", "side", "part")
    return list({tuple(row.get(key) for key in kind): row for row in found}.values())


def table(heads: list[str], lines: list[list[str]]) -> str:
    r"""A table in Markdown."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in [heads, rule, *lines]) + "\n"


def ratio(row: dict, target: float) -> str:
    r"""A ratio, its range where it was repeated, and its target."""
    low, high = row["spread"]
    spread = f" ({low:.2f} to {high:.2f})" if row["repeats"] > 1 else ""
    mark = "met" if row["value"] <= target else "**missed**"
    return f"{row['value']:.2f}{spread}; target {target:.2f}: {mark}"


def find(found: list[dict], **wanted) -> dict:
    r"""The one row with these entries."""
    return next(row for row in found if all(row.get(k) == v for k, v in wanted.items()))


def ratios(speed: list[dict]) -> str:
    r"""Ours over the released schedule, with the seconds behind the ratios."""
    lines, seconds = [], []
    for case, title in CASES.items():
        chosen = [find(speed, case=case, metric=metric) for metric in cases.METRICS]
        shown = [ratio(row, cases.CASES[case].targets[row["metric"]]) for row in chosen]
        lines.append(
            [f"{title}, {chosen[0]['layouts']} layouts".replace("scenes layouts", "layouts")]
        )
        lines[-1] += shown
        pairs = [f"{row['ours']:.2f} / {row['released']:.2f} {row['unit']}" for row in chosen]
        seconds.append([title, *pairs])
    first = chosen[0]
    text = "\n## Ours over the released schedule\n\nMedian of interleaved runs, with the range.\n\n"
    text += table(["*ours* (CPU)", *cases.METRICS], lines)
    text += "And the medians themselves, ours / released:\n\n"
    text += table(["*ours* (CPU)", *cases.METRICS], seconds)
    again = [f"{find(speed, case=case, metric='recomputing')['value']:.2f}" for case in CASES]
    text += "With the modulation recomputed, the peak of memory over the released one is: "
    text += (
        ", ".join(f"{value} ({name})" for value, name in zip(again, CASES, strict=True)) + ".\n\n"
    )
    return text + f"Measured on {first['device']}, torch {first['versions']['torch']}.\n"


def floors(parts: list[dict], speed: list[dict]) -> str:
    r"""How far the counted work says that one could come."""
    rate = find(parts, case="machine", metric="convolution fp32")["value"]
    bf16 = find(parts, case="machine", metric="convolution bf16")["value"]
    copy = find(parts, case="machine", metric="copy")["value"]
    text = (
        "\n## The floor\n\nA step cannot be faster than its multiplications and additions at the "
        "rate of a big convolution. Here such a convolution (256 channels, 3 x 3) ran at "
        f"{rate:.0f} GFLOP/s in fp32 and {bf16:.0f} in bf16; a large copy moved {copy:.0f} GB/s. "
        "Ours over released cannot fall below the ratio of the counted work unless ours also runs "
        "closer to that rate.\n\n"
    )
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
    heads += ["measured", "measured / floor"]
    return text + table(heads, lines) + lowest_ratios(parts, speed, rate=rate, bf16=bf16)


def lowest_ratios(parts: list[dict], speed: list[dict], *, rate: float, bf16: float) -> str:
    r"""The ratio that each time would have if ours ran at the rate of a big convolution."""
    text = (
        "The same floor as a ratio: the seconds that our counted work would take at that rate, "
        "over those that the released schedule *took*. A target below it asks for less work, not "
        "for faster code.\n\n"
    )
    lines = []
    for case, title in CASES.items():
        step = find(parts, case=case, metric="step", side="ours")["value"]
        own = [row for row in parts if row["case"] == case and row["metric"] == "synthesis"]
        synthesis = sum(row["value"] for row in own if row["side"] == "ours")
        work = {"step fp32": step / rate, "inference fp32": synthesis / rate}
        work["step bf16"] = step / bf16
        lines.append([title])
        for metric, seconds in work.items():
            row, target = find(speed, case=case, metric=metric), cases.CASES[case].targets[metric]
            floor = seconds / row["released"]
            lines[-1].append(f"{floor:.2f} ({row['value']:.2f} measured, {target:.2f} asked)")
    return text + table(["floor, *ours* (CPU)", *cases.METRICS[:3]], lines)


def modules(parts: list[dict]) -> str:
    r"""Work and traffic of a synthesis by part."""
    text = (
        "\n## What costs what\n\nOne synthesis of a batch, by part: counted work, and bytes read "
        "and written by all operations, also those that never leave the processor's cache. A part "
        "whose bytes would take longer than its work if all went to memory is called bound by "
        "memory: no faster multiplication helps it.\n\n"
    )
    rate = find(parts, case="machine", metric="convolution fp32")["value"]
    copy = find(parts, case="machine", metric="copy")["value"]
    for case, title in CASES.items():
        chosen = [row for row in parts if row["case"] == case and row["metric"] == "synthesis"]
        names = sorted({row["part"] for row in chosen})
        lines = []
        for name in names:
            line = [name]
            for side in ("released", "ours"):
                row = find(chosen, part=name, side=side)
                line += [f"{row['value']:.2f}", f"{row['gigabytes']:.2f}"]
            by = "memory" if row["gigabytes"] / copy > row["value"] / rate else "arithmetic"
            lines.append([*line, by])
        heads = [title, "released, GFLOP", "GB", "ours, GFLOP", "GB", "ours is bound by"]
        text += table(heads, lines)
    return text


def smaller(parts: list[dict]) -> str:
    r"""The other targets."""
    lines = []
    for row in parts:
        if row["case"] == "smaller":
            low, high = row["spread"]
            under = row["bound"] == "at most"
            met = row["value"] <= row["target"] if under else row["value"] >= row["target"]
            aim = f"{row['bound']} {row['target']:g}: {'met' if met else '**missed**'}"
            lines.append([row["metric"], f"{row['value']:.3g}", f"{low:.3g} to {high:.3g}", aim])
    return "\n## Beside the networks\n\n" + table(
        ["*ours* (CPU)", "median", "range", "target"], lines
    )


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
    return table(["without / with, *ours* (CPU)", *CASES.values()], lines)


def shares(parts: list[dict]) -> str:
    r"""How many neighbourhoods are distinct."""
    chosen = [row for row in parts if row["case"] == "shares"]
    first = chosen[0]
    kind = "real layouts of COCO-Stuff" if first["layouts"] == "real" else "toy layouts"
    text = (
        f"How many neighbourhoods are distinct, in {first['count']} {kind} taken together, with "
        "instance boundaries, at each size of the trunk:\n\n"
    )
    heads = ["side, pixels", *(row["metric"] for row in chosen)]
    return text + table(heads, [["distinct, *ours*", *(f"{row['value']:.0%}" for row in chosen)]])


def render() -> str:
    r"""The whole page."""
    speed, parts = rows("speed"), rows("parts")
    body = ratios(speed), floors(parts, speed), modules(parts), LESSONS, tricks(rows("tricks"))
    body = *body, shares(parts), smaller(parts), GPU
    return "".join([NOTICE, OPENING, *body])


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
    PAGE.write_text(render())
    CHAPTER.write_text(chapter())
    print(f"{PAGE.name}: {len(rows('speed'))} ratios")
