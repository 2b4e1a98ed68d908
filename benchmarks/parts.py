r"""What costs what: counted work by module, the machine's measured rates, the smaller targets.

`python benchmarks/parts.py` prints it all and appends its rows to `results/parts.jsonl`.
"""

import argparse
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch
import torch.nn.functional as F
from bench import about, seconds
from cases import CASES, make_batch
from reference import ReleasedTrainer
from skimage.feature import canny
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.module_tracker import ModuleTracker

from ecgan.data import toy
from ecgan.fast.known_layout import Pyramid
from ecgan.fast.memory_order import channels_last
from ecgan.files import records
from ecgan.method.edges import TOY, edge_maps
from ecgan.presets import preset
from ecgan.training import Trainer, toy_batches
from ecgan.weights.checkpoint import shipped

RESULTS = Path(__file__).parent / "results" / "parts.jsonl"
PARTS = {
    "norm_": "SPADE",
    "encoder": "the trunk's convolutions",
    "edge_generator": "edge branch",
    "image_generator": "image branch",
    "semantic_preserving": "semantic preserving module",
}


class Ledger(TorchDispatchMode):
    r"""Counts multiplications, additions and bytes moved, by part of the generator."""

    def __init__(self):
        super().__init__()
        self.tracker, self.work = ModuleTracker(), {}

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        tensors = [x for x in (*arguments, result) if isinstance(x, torch.Tensor)]
        if function is torch.ops.aten.embedding.default:
            tensors[0] = result  # of the table it reads the rows that it writes
        counter = flop_registry.get(function._overloadpacket)
        flops = counter(*arguments, **(keywords or {}), out_val=result) if counter else 0
        idle = function.is_view or function is torch.ops.aten.new_empty.default
        moved = 0 if idle else sum(x.numel() * x.element_size() for x in tensors)
        flop, byte = self.work.get(self.part, (0, 0))
        self.work[self.part] = flop + flops, byte + moved
        return result

    @property
    def part(self) -> str:
        r"""The part whose forward pass runs now."""
        path = " ".join(sorted(self.tracker.parents, key=len))
        return next((name for key, name in PARTS.items() if key in path), "the rest")


def best(work, *, times: int = 5) -> float:
    r"""The least seconds of several runs."""
    work()
    return min(seconds(work) for _ in range(times))


def rates() -> dict[str, float]:
    r"""What the machine can do: a big convolution, GFLOP/s, and a big copy, GB/s."""
    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        maps = channels_last(torch.randn(8, 256, 64, 64, dtype=dtype))
        weight = channels_last(torch.randn(256, 256, 3, 3, dtype=dtype))
        with torch.inference_mode():
            taken = best(lambda m=maps, w=weight: F.conv2d(m, w, padding=1))
        found[f"convolution {name}"] = 2 * maps.numel() * weight[0].numel() / taken / 1e9
    source, target = torch.randn(2, 64_000_000)
    found["copy"] = 2 * 4 * source.numel() / best(lambda: target.copy_(source)) / 1e9
    return found


def counted(case: str, layouts: Path | None) -> list[dict]:
    r"""Multiply-adds of a step of both sides, and a synthesis by part: GFLOP and GB."""
    config, batch = CASES[case].config(), make_batch(CASES[case], layouts)
    found = []
    for side, trainer in (("released", ReleasedTrainer(config)), ("ours", Trainer(config=config))):
        with FlopCounterMode(display=False) as counter:
            trainer.step(batch)
        work = counter.get_total_flops() / 1e9
        found.append({"metric": "step", "side": side, "value": work, "unit": "GFLOP"})
        ledger = Ledger()
        with ledger.tracker, ledger, torch.no_grad():
            trainer.generator.eval()(batch.semantics)
        for part, (flops, moved) in ledger.work.items():
            row = {"metric": "synthesis", "side": side, "part": part, "value": flops / 1e9}
            found.append(row | {"unit": "GFLOP", "gigabytes": moved / 1e9})
    return found


def shares(layouts: Path | None) -> list[dict]:
    r"""Distinct 5 x 5 neighbourhoods over pixels, at each size, in several layouts together."""
    case, count = CASES["183 classes"], 12
    batches = [make_batch(case, layouts, number=number).semantics for number in range(count)]
    pyramid, found = Pyramid(torch.cat(batches)), []
    with patch("ecgan.fast.neighbourhoods.WORTHWHILE", 1):
        for side in (256, 128, 64, 32, 16):
            distinct = pyramid.neighbourhoods(side, side)
            share = distinct.places_large.size / (count * side * side)
            found.append({"case": "shares", "metric": str(side), "value": share, "count": count})
    return found


def losses_share(repeats: int) -> list[float]:
    r"""The contrastive and similarity losses' share of a toy step at the defaults."""
    config = preset("toy")
    config = replace(config, data=replace(config.data, images=64))
    without = replace(config, losses=replace(config.losses, contrastive=0, similarity=0))
    segmenter = shipped("toy_segmenter")
    both, neither = (Trainer(config=c, segmenter=segmenter) for c in (config, without))
    shares = []
    for _, batch in zip(range(repeats + 3), toy_batches(config)):
        shares.append(1 - seconds(neither.step, batch) / seconds(both.step, batch))
    return shares[3:]


def canny_rate(repeats: int) -> list[float]:
    r"""Pictures a second over scikit-image's, 16 of 256 x 256 pixels."""
    images = toy.scenes(16, height=256, width=256, seed=7).images
    grey = (images.mean(1) / 2 + 0.5).numpy()
    edge_maps(images, settings=TOY)
    found = []
    for _ in range(5 * repeats):  # each is short, and what is short is noisy
        theirs = seconds(lambda: [canny(one, sigma=0.8) for one in grey])
        found.append(theirs / seconds(lambda: edge_maps(images, settings=TOY)))
    return found


def scene_rate(repeats: int) -> list[float]:
    r"""Toy scenes of 64 x 64 pixels a second, on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    toy.scenes(8, seed=8)
    found = [200 / seconds(lambda: toy.scenes(200, seed=8)) for _ in range(repeats)]
    torch.set_num_threads(threads)
    return found


def import_time(repeats: int) -> list[float]:
    r"""Seconds that `import ecgan` adds to `import torch`."""

    def run(line: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, "-c", line], check=True))

    run("import torch, ecgan")
    return [run("import torch, ecgan") - run("import torch") for _ in range(repeats)]


SMALLER = {
    "contrastive and similarity losses, share of a toy step": (losses_share, "at most", 0.10),
    "Canny, pictures a second over scikit-image's": (canny_rate, "at least", 3),
    "toy scenes a second on one core": (scene_rate, "at least", 300),
    "import ecgan, seconds beyond import torch": (import_time, "at most", 1),
}


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES)[1:])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--layouts", type=Path, help="label PNGs for 183 classes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--machine", action="store_true", help="only what the machine can do")
    chosen = parser.parse_args(arguments)
    smaller, measured = ({}, []) if chosen.machine else (SMALLER, chosen.cases)
    done = []
    for name, value in rates().items():
        unit = "GB/s" if name == "copy" else "GFLOP/s"
        done.append({"case": "machine", "metric": name, "value": value, "unit": unit})
    for name, (work, bound, target) in smaller.items():
        values = work(chosen.repeats)
        row = {"case": "smaller", "metric": name, "value": statistics.median(values)}
        done.append(row | {"spread": [min(values), max(values)], "bound": bound, "target": target})
    done += shares(chosen.layouts) if measured else []
    for case in measured:
        layouts = chosen.layouts if case == "183 classes" else None
        done += [{"case": case} | one for one in counted(case, layouts)]
    for row in done:
        where = " ".join(row.get(key, "") for key in ("case", "metric", "side", "part"))
        print(f"{where:76} {row['value']:10.2f} {row.get('unit', '')}", flush=True)
    facts = about("toy", layouts=chosen.layouts)
    facts = {key: facts[key] for key in ("commit", "versions", "time", "device", "layouts")}
    records.append(chosen.results, [row | facts for row in done])
    return done


if __name__ == "__main__":
    main(sys.argv[1:])
