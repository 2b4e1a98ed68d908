r"""Does it run at all: a step, a synthesis, a run of ten steps that is cut off and goes on."""

import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

from common import CASES, Rows, clock, make_batch, make_trainer, parser, perceptual_of

from ecgan.config import Config
from ecgan.data import toy
from ecgan.presets import PRESETS
from ecgan.readers.segmenter import UNet
from ecgan.synthesis import synthesize
from ecgan.training import Machine, RunSettings, fit

SCENES = 12
KINDS = ("step", "synthesis", "run")


def configured(case: str, precision: str) -> Config:
    r"""A preset, or a small case, for ten steps of two images, with room for the toy classes."""
    config = PRESETS.get(case) or CASES[case]
    model = replace(config.model, classes=max(config.model.classes, len(toy.CLASSES)))
    training = replace(config.training, precision=precision, steps=10, batch_size=2)
    return replace(config, model=model, training=training)


def one_step(config: Config, machine: Machine) -> dict:
    trainer = make_trainer(config, machine, compiled=False)
    batch = make_batch(config, machine.device)
    start = clock(machine.device)
    trainer.step(batch)
    return {"seconds": clock(machine.device) - start}


def one_synthesis(config: Config, machine: Machine) -> dict:
    generator = make_trainer(config, machine, compiled=False).generator
    batch = make_batch(config, machine.device)
    instances = batch.labels * 0 if config.model.instance_boundaries else None
    start = clock(machine.device)
    with machine.autocast():
        made = synthesize(generator, batch.labels, instances)
    finite = bool(made.final.isfinite().all())
    return {"seconds": clock(machine.device) - start, "finite": finite}


def one_run(config: Config, machine: Machine) -> dict:
    r"""On toy scenes in a folder, at the preset's size."""
    model = config.model
    segmenter = UNet(classes=model.classes, width=8)
    networks = {"segmenter": segmenter, "perceptual": perceptual_of(config)}
    with tempfile.TemporaryDirectory() as place:
        data = toy.write_folder(Path(place, "data"), SCENES, height=model.height, width=model.width)
        start = clock(machine.device)
        for minutes in (0, None):  # the first call is out of time after one step
            settings = RunSettings(minutes=minutes, sample_every=5)
            outcome = fit(
                config,
                Path(place, "run"),
                data=data,
                settings=settings,
                machine=machine,
                **networks,
            )
        seconds = clock(machine.device) - start
    return {"seconds": seconds, "resumed_at": outcome.resumed_at, "ended": outcome.ended}


def main(arguments: list[str] | None = None) -> list[dict]:
    made = parser(__doc__)
    made.add_argument("--cases", nargs="+", choices=[*PRESETS, *CASES], default=list(PRESETS))
    made.add_argument("--precisions", nargs="+", default=["fp32", "bf16", "fp16"])
    chosen = made.parse_args(arguments)
    rows, work = Rows(chosen, what="runs"), dict(zip(KINDS, (one_step, one_synthesis, one_run)))

    def try_out(kind: str, case: str, precision: str) -> dict:
        machine = Machine(precision=precision, device=chosen.device)
        return work[kind](configured(case, precision), machine)

    for kind, case, precision in product(KINDS, chosen.cases, chosen.precisions):
        rows.measure(try_out, kind=kind, case=case, precision=precision)
    return rows.made


if __name__ == "__main__":
    main()
