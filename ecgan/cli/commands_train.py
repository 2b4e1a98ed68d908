r"""What `ecgan train` and `ecgan segmenter` do, callable from a notebook as well."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from ecgan.cli.commands import CommandError
from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.folders.scenes import find_convention
from ecgan.presets import PRESETS
from ecgan.readers.segmenter import DilatedJudge, UNet, frozen
from ecgan.training import Outcome, RunSettings, fit
from ecgan.training.run import RESULT
from ecgan.training.segmenters import fit_on_folder
from ecgan.weights.checkpoint import load, save, shipped

SEGFORMER = "segformer:"


def class_names(data: Path | None) -> list[str] | None:
    r"""The classes that a folder's classes.json names; None where there is no such file."""
    file = None if data is None else data / "classes.json"
    if file is None or not file.is_file():
        return None
    try:
        return list(json.loads(file.read_text())["classes"])
    except (ValueError, KeyError, TypeError) as error:
        advice = 'write {"classes": ["sky", "road", ...]}'
        raise CommandError(f"{file} is no list of classes ({error}): {advice}") from error


def adapted(config: Config, data: Path | None) -> Config:
    r"""The config with as many classes as the folder's classes.json names, unless it was told.

    A folder of one's own has no preset: where the number of classes is still the preset's, the
    folder decides.
    """
    names, model = class_names(data), config.model
    untouched = model.classes == PRESETS[config.data.name].model.classes
    if names is None or not untouched or len(names) == model.classes:
        return config
    print(f"{len(names)} classes, as {data / 'classes.json'} says")
    return replace(config, model=replace(model, classes=len(names)))


def read_segmenter(name: str, *, classes: int) -> nn.Module:
    r"""A frozen segmenter: a shipped one, a .safetensors file, or "segformer:" and a hub's name.

    Raises :class:`CommandError` where it knows another number of classes.
    """
    if name.startswith(SEGFORMER):
        from ecgan.readers.segformer import SegFormer

        network = SegFormer.from_pretrained(name.removeprefix(SEGFORMER))
        known = len(network.label_ids)
    else:
        network = load(name) if name.endswith(".safetensors") else shipped(name)
        known = getattr(network, "config", {})
        known = known.get("classes") if isinstance(known, dict) else None
    if known != classes:
        what = f"knows {known} classes" if known else f"is a {type(network).__name__}"
        raise CommandError(
            f"segmenter {name} {what}; a segmenter of {classes} classes is needed: make one with "
            f"ecgan segmenter"
        )
    return frozen(network)


def default_segmenter(config: Config, data: Path | None) -> str | None:
    r"""The toy world's own; for any other data set None: say which, or switch its losses off."""
    toy_world = data is None and config.data.name == "toy"
    return "toy_segmenter" if toy_world or class_names(data) == list(toy.CLASSES) else None


def train_run(
    config: Config,
    out: Path,
    *,
    data: Path | None = None,
    segmenter: str | None = None,
    settings: RunSettings | None = None,
) -> Outcome:
    r"""Train into ``out`` or go on there; see :func:`ecgan.training.fit`.

    ``segmenter`` names the label generator as :func:`read_segmenter` takes it. VGG-19 is fetched
    where the losses want it.
    """
    if data is None and config.data.name != "toy":
        raise CommandError(f"{config.data.name} needs --data FOLDER; see ecgan fetch --help")
    if data is not None:
        find_convention(data)
    config = adapted(config, data)
    name, losses = segmenter or default_segmenter(config, data), config.losses
    if name is None and (losses.similarity or losses.cross_entropy):
        raise CommandError(
            "these losses need a label generator: make one with ecgan segmenter and name it with "
            "--segmenter; or switch them off with --losses.similarity 0 --losses.cross-entropy 0"
        )
    network = read_segmenter(name, classes=config.model.classes) if name else None
    vgg = None
    if config.losses.perceptual and config.losses.perceptual_features == "vgg19":
        from ecgan.readers.vgg import published_vgg19

        vgg = published_vgg19()
    elif config.losses.perceptual and config.losses.perceptual_features == "lite":
        from ecgan.readers.lite import published_lite

        vgg = published_lite()
    return fit(config, out, data=data, segmenter=network, vgg=vgg, settings=settings)


def report(outcome: Outcome, out: Path) -> str:
    r"""What the user reads at the end of a call."""
    settings = outcome.trainer.config.training
    steps, lasts = settings.steps, round(1 / (1 - settings.ema))
    lines = [f"note: {complaint}; went on from an older one" for complaint in outcome.complaints]
    if outcome.ended == "finished":
        lines.append(f"finished {steps} steps; wrote {out / RESULT}")
    else:
        lines.append(
            f"{outcome.ended} at step {outcome.step} of {steps}; wrote {out / RESULT}. The same "
            f"command goes on from here"
        )
    if settings.ema and outcome.step < 3 * lasts:
        lines.append(
            f"note: {RESULT} is an average over about {lasts} steps, so after {outcome.step} it "
            f"still shows the beginning; for a run this short say --ema 0"
        )
    return "\n".join(lines)


def segmenter_run(
    out: Path,
    *,
    config: Config,
    data: Path,
    kind: Literal["unet", "dilated"] = "unet",
    steps: int = 1000,
    width: int = 16,
    cpu: bool = False,
) -> Path:
    r"""Fit a small segmenter to a folder and write it to ``out``.

    "unet" is meant as label generator, "dilated" as a judge: it shares nothing with the other.
    """
    if out.suffix != ".safetensors":
        raise CommandError(f"{out}: name a file that ends in .safetensors")
    config = adapted(config, data)
    torch.manual_seed(config.training.seed)
    build = {"unet": UNet, "dilated": DilatedJudge}[kind]
    network = build(classes=config.model.classes, width=width)
    fit_on_folder(network, data, config=config, steps=steps, cpu=cpu)
    save(out, network, notes={"config": config.to_dict(), "steps": steps})
    return out
