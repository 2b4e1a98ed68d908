r"""``ecgan segmenter``: a small network that reads classes off pictures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from ecgan.cli import PresetName
from ecgan.cli.errors import CommandError
from ecgan.cli.train import adapted
from ecgan.config import Config, DataConfig, ModelConfig
from ecgan.files.whole import try_place
from ecgan.options import draft, draft_of, finished
from ecgan.presets import PRESETS

if TYPE_CHECKING:
    from torch import nn

ENDING = ".safetensors"


def with_defaults_of(preset_name: str) -> Callable[..., None]:
    r"""The command with the defaults of a preset, as for training."""
    preset = PRESETS[preset_name]
    usual = draft(preset)

    def segmenter(
        out: Positional[Path],
        *,
        data: Path,
        config: PresetName = preset_name,
        kind: Literal["unet", "dilated"] = "unet",
        steps: int = 1000,
        width: int = 16,
        patch: int = 1,
        turns: bool = False,
        batch_size: int = preset.training.batch_size,
        seed: int = preset.training.seed,
        cpu: bool = False,
        model: draft_of(ModelConfig) = usual.model,
        loading: Annotated[draft_of(DataConfig), arg(name="data")] = usual.data,
    ) -> None:
        r"""Fit a small segmenter to a folder: a label generator for training, or a judge.

        Args:
            out: The file to write, ending in .safetensors.
            data: A folder of images and layouts, see ecgan doctor.
            config: The preset from which every option below starts; classes come from the folder's
                classes.json where there is one.
            kind: unet for the losses; dilated for a judge that shares nothing with it.
            steps: Training steps.
            width: Channels; more read better and take longer.
            patch: Sides of the squares that a dilated one reads as one place: with 2 it is four
                times as quick.
            turns: Turn and mirror the pictures, for those without an up, such as from above.
            batch_size: Pictures a step.
            seed: Of the first weights, the order of the scenes, and their crops.
            cpu: Stay off a GPU.
            model: The model that it is to serve: sizes and classes are taken from here.
            loading: What is loaded, and how.
        """
        if out.suffix != ENDING:
            raise CommandError(f"{out}: name a file that ends in {ENDING}")
        if width < 1:
            raise CommandError(f"width is {width}; it must be at least 1")
        if patch != 1 and kind != "dilated":
            raise CommandError(f"patch is {patch}; only --kind dilated reads patches")
        try_place(out)
        training = replace(preset.training, steps=steps, batch_size=batch_size, seed=seed)
        # Pixels of 255 count for nothing in its loss, whether or not the generator paints them.
        served = replace(finished(model), dont_care=True)
        whole = adapted(Config(model=served, data=finished(loading), training=training), data)
        network = {"width": width} | ({"patch": patch} if kind == "dilated" else {})
        fit(out, data=data, config=whole, kind=kind, network=network, turns=turns, cpu=cpu)
        print(f"wrote {out}")

    return segmenter


def fit(
    out: Path,
    *,
    data: Path,
    config: Config,
    kind: Literal["unet", "dilated"],
    network: dict[str, int],
    turns: bool = False,
    cpu: bool = False,
) -> None:
    r"""Fit a small segmenter, of the sizes in ``network``, to a folder and write it to ``out``.

    "unet" is meant as label generator, "dilated" as a judge: it shares nothing with the other.
    """
    import torch

    from ecgan.readers.segmenter import DilatedJudge, UNet
    from ecgan.training.segmenters import fit_on_folder
    from ecgan.weights.checkpoint import save

    torch.manual_seed(config.training.seed)
    classes, steps = config.model.classes, config.training.steps
    made = {"unet": UNet, "dilated": DilatedJudge}[kind](classes=classes, **network)
    fit_on_folder(made, data, config=config, steps=steps, turns=turns, cpu=cpu)
    notes = {"config": config.to_dict(), "steps": steps, "turns": turns}
    save(out, made, notes=notes)
    if read := held_out(made, data, config):
        save(out, made, notes=notes | {"held_out": read})


def held_out(segmenter: "nn.Module", data: Path, config: Config) -> dict | None:
    r"""How well it reads the pictures kept apart, told and returned; None where there are none."""
    from ecgan.data.examples import folder_examples
    from ecgan.data.folders.classes import read_classes
    from ecgan.data.folders.conventions import FolderError
    from ecgan.data.folders.scenes import find_convention
    from ecgan.evaluation.evaluate import Evaluation, Made, evaluate

    if "{split}" not in find_convention(data).images.folder:  # one part, and it was fitted to that
        return None
    try:
        scenes = folder_examples(data, config=config)
    except FolderError:
        return None
    made, classes = (Made(scene.image, scene) for scene in scenes), config.model.classes
    setup = Evaluation(made=made, classes=classes, segmenter=segmenter)
    row = evaluate(setup, ["miou-native"])[0]
    names = read_classes(data) or range(classes)
    each = {str(name): value for name, value in zip(names, row["classes"], strict=True)}
    print(
        f"on {len(scenes)} pictures kept apart: IoU "
        + ", ".join(f"{name} {value:.2f}" for name, value in each.items() if value is not None)
        + f"; mean {row['value']:.2f}"
    )
    return {"pictures": len(scenes), "iou": each, "miou": row["value"]}
