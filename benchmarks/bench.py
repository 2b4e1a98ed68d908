r"""Speed against the released schedule: interleaved steps of both, ratios with their spread.

`python benchmarks/bench.py` prints a table and appends its rows to `results/speed.jsonl`.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch
from reference import ReleasedTrainer

from ecgan.config import Config, DataConfig, LossConfig, ModelConfig, TrainingConfig
from ecgan.data import toy
from ecgan.edges import TOY, edge_maps
from ecgan.layouts import semantics
from ecgan.losses.objective import Batch
from ecgan.synthesis import read_layout
from ecgan.training import Trainer

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "speed.jsonl"
# The terms both sides share, at the released weights; what is the same on both sides is left out.
SHARED_LOSSES = LossConfig(perceptual=0, contrastive=0, similarity=0, class_specific=0)
MODELS = {
    "tiny": ModelConfig(classes=9, height=32, width=32, base_channels=4, spade_hidden=8),
    "toy": ModelConfig(classes=9, height=64, width=64, base_channels=16),
    "35 classes": ModelConfig(classes=35),
    "183 classes": ModelConfig(classes=182, dont_care=True),
}
BATCH = {"tiny": 2, "toy": 8}
PROTOCOL = "ratio to the released schedule, interleaved, median of repeats"


def make_batch(case: str, layouts: Path | None) -> Batch:
    r"""Toy scenes, or label files of ``layouts`` with toy pictures, which cost the same."""
    model, count = MODELS[case], BATCH.get(case, 1)
    scenes = toy.scenes(count, height=model.height, width=model.width, seed=4)
    labels = scenes.labels
    if layouts is not None:
        files = sorted(layouts.glob("*.png"))[:count]
        maps = [read_layout(file, height=model.height, width=model.width) for file in files]
        labels = torch.cat(maps)
    layout = semantics(labels, config=model)
    return Batch(labels, layout, scenes.images, edge_maps(scenes.images, settings=TOY))


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(case: str, *, repeats: int, bf16: bool, layouts: Path | None) -> dict[str, list[float]]:
    r"""Ratios ours / released of a training step and of a synthesis, one a repeat."""
    training = TrainingConfig(batch_size=BATCH.get(case, 1))
    data = DataConfig(name="toy")
    config = Config(model=MODELS[case], losses=SHARED_LOSSES, data=data, training=training)
    batch = make_batch(case, layouts)
    released, ours = ReleasedTrainer(config), Trainer(config=config)

    def our_step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            ours.step(batch)

    def synthesis(generator):
        generator.eval()
        with torch.inference_mode():
            taken = seconds(lambda: generator(batch.semantics))
        generator.train()
        return taken

    released.step(batch), our_step()
    ratios = {"step": [], "inference": []}
    for _ in range(repeats):
        theirs = seconds(lambda: released.step(batch))
        ratios["step"].append(seconds(our_step) / theirs)
        theirs = synthesis(released.generator)
        ratios["inference"].append(synthesis(ours.generator) / theirs)
    return ratios


def rows(case: str, ratios: dict[str, list[float]], *, bf16: bool) -> list[dict]:
    r"""A row a metric, with what is needed to read it later."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    about = {
        "case": case,
        "config": asdict(MODELS[case]),
        "seed": 0,
        "precision": "bf16" if bf16 else "fp32",
        "commit": commit.stdout.strip(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "protocol": PROTOCOL,
    }
    return [
        about
        | {
            "metric": f"{name} time ratio",
            "value": statistics.median(values),
            "spread": [min(values), max(values)],
            "repeats": len(values),
        }
        for name, values in ratios.items()
    ]


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=MODELS, default=["toy", "35 classes"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bf16", action="store_true", help="ours in bf16; theirs stays fp32")
    parser.add_argument("--layouts", type=Path, help="a folder of label PNGs in place of scenes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    done = []
    print(f"{'case':14}{'metric':24}{'ratio':>8}   spread")
    for case in chosen.cases:
        ratios = compare(case, repeats=chosen.repeats, bf16=chosen.bf16, layouts=chosen.layouts)
        for row in rows(case, ratios, bf16=chosen.bf16):
            low, high = row["spread"]
            print(f"{case:14}{row['metric']:24}{row['value']:8.2f}   {low:.2f} to {high:.2f}")
            done.append(row)
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    with chosen.results.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in done)
    return done


if __name__ == "__main__":
    main(sys.argv[1:])
