r"""Training on this machine's device: images a second, memory, and time, a row a setting.

`python benchmarks/training_speed.py` measures every case in every precision, prints a table and
appends its rows to `results/training.jsonl`, which chapter 09 shows. Weights and pictures do not
matter for speed: VGG-19 and the segmenter are untrained, the scenes are the toy world's.
"""

import argparse
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from ecgan.config import Config, DataConfig, ModelConfig
from ecgan.data import toy
from ecgan.files import records
from ecgan.method.batch import Batch
from ecgan.method.edges import TOY, edge_maps
from ecgan.method.layouts import semantics
from ecgan.presets import preset
from ecgan.readers.perceptual import published_features
from ecgan.readers.segmenter import UNet
from ecgan.readers.vgg import VGG19
from ecgan.training import Trainer
from ecgan.training.machine import Machine, find_machine

RESULTS = Path(__file__).parent / "results" / "training.jsonl"
TINY = Config(
    model=ModelConfig(classes=9, height=32, width=32, base_channels=4, spade_hidden=8),
    data=DataConfig(name="toy"),
    losses=preset("toy").losses,
)
CASES = {
    "tiny": TINY,
    "toy": preset("toy"),
    "facades-size": preset("facades"),
    "Cityscapes-size": preset("cityscapes"),
}
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
WARM_UP, STEPS = 3, 10
PROTOCOL = f"median of {STEPS} training steps after {WARM_UP} to warm up; weights untrained"


def make_batch(config: Config, device: torch.device) -> Batch:
    r"""Toy scenes at the config's size, as a batch on ``device``."""
    model = config.model
    count, size = config.training.batch_size, {"height": model.height, "width": model.width}
    scenes = toy.scenes(count, seed=4, **size)
    layout = semantics(scenes.labels, scenes.instances, config=model)
    parts = scenes.labels, layout, scenes.images, edge_maps(scenes.images, settings=TOY)
    return Batch(*(part.to(device) for part in parts))


def perceptual_of(config: Config) -> nn.Module | None:
    r"""The network that the perceptual loss looks through; VGG-19 untrained: nothing is fetched."""
    losses = config.losses
    return VGG19() if losses.perceptual_features == "vgg19" else published_features(losses)


def make_trainer(config: Config, machine: Machine, *, compiled: bool) -> Trainer:
    r"""A trainer with every loss of the config, its networks compiled if wanted."""
    segmenter = UNet(classes=config.model.classes, width=8)
    trainer = Trainer(
        config=config, segmenter=segmenter, perceptual=perceptual_of(config), machine=machine
    )
    if compiled:
        trainer.generator.compile()
        trainer.discriminator.compile()
    return trainer


def seconds_a_step(trainer: Trainer, batch: Batch) -> list[float]:
    r"""The seconds of each measured step; a GPU is waited for."""
    cuda, taken = trainer.machine.device.type == "cuda", []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        trainer.step(batch)
        if cuda:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return taken[WARM_UP:]


def measure(case: str, *, precision: str, compiled: bool, batch_size: int, cpu: bool) -> dict:
    r"""One row; its value is None where the device's memory did not suffice."""
    config = CASES[case]
    training = replace(config.training, precision=precision, batch_size=batch_size)
    config = replace(config, training=training)
    machine = find_machine(precision=precision, cpu=cpu)
    cuda, taken = machine.device.type == "cuda", None
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    try:
        trainer = make_trainer(config, machine, compiled=compiled)
        taken = seconds_a_step(trainer, make_batch(config, machine.device))
    except torch.OutOfMemoryError:
        pass
    return {
        "metric": "images_a_second",
        "value": taken and batch_size / statistics.median(taken),
        "spread": taken and [batch_size / max(taken), batch_size / min(taken)],
        "memory": torch.cuda.max_memory_allocated() if cuda else None,
        "case": case,
        "precision": precision,
        "compiled": compiled,
        "protocol": PROTOCOL,
        "config": config.to_dict(),
        "seed": training.seed,
        "device": machine.name,
        "kind": machine.device.type,
        "commit": records.commit(),
        "versions": records.versions(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def as_line(row: dict) -> str:
    r"""A row for reading."""
    speed = "out of memory" if row["value"] is None else f"{row['value']:9.2f} images/s"
    memory = "" if row["memory"] is None else f"{row['memory'] / 2**30:7.2f} GiB"
    compiled = "compiled" if row["compiled"] else ""
    return f"{row['case']:16}{row['precision']:6}{compiled:10}{speed:>20}{memory:>13}"


def main(arguments: list[str] | None = None) -> list[dict]:
    r"""Measure what was chosen; the rows, which are also appended to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    cases = [name for name in CASES if name != "tiny"]
    parser.add_argument("--cases", nargs="+", choices=CASES, default=cases)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--compiled", action="store_true", help="measure torch.compile as well")
    parser.add_argument("--cpu", action="store_true", help="stay off a GPU")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen, rows = parser.parse_args(arguments), []
    for case in chosen.cases:
        for precision in chosen.precisions:
            for compiled in (False, True) if chosen.compiled else (False,):
                settings = {"precision": precision, "compiled": compiled, "cpu": chosen.cpu}
                rows.append(measure(case, batch_size=chosen.batch_size, **settings))
                print(as_line(rows[-1]), flush=True)
                records.append(chosen.results, rows[-1:])
    return rows


if __name__ == "__main__":
    main()
