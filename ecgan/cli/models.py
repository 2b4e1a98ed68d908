r"""Commands that make and judge networks: train, segmenter, evaluate, export."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from ecgan.config import LossConfig, ModelConfig, TrainingConfig
from ecgan.presets import PRESETS

PresetName = Literal["toy", "aerial", "facades", "cityscapes", "ade20k", "coco_stuff"]
Out = Annotated[Path, arg(aliases=["-o"])]


def trainer_of(preset_name: str) -> Callable[..., None]:
    r"""The training command with the defaults of a preset: they differ, and --help shows them."""
    from ecgan.training.settings import RunSettings

    preset, usual = PRESETS[preset_name], RunSettings()

    def train(
        *,
        out: Out = Path("runs", preset_name),
        config: PresetName = preset_name,
        data: Path | None = None,
        segmenter: str | None = None,
        run: OmitArgPrefixes[RunSettings] = usual,
        training: OmitArgPrefixes[TrainingConfig] = preset.training,
        losses: LossConfig = preset.losses,
        model: ModelConfig = preset.model,
    ) -> None:
        r"""Train a generator; the same command again goes on where the last one ended.

        OUT gets generator.safetensors, log.jsonl, samples/, checkpoints/ and run.json. Several
        GPUs: accelerate launch --multi_gpu -m ecgan train ...

        Args:
            out: The folder of this run, made where needed.
            config: The preset from which every option below starts.
            data: A folder of images and layouts, see ecgan doctor; the toy world draws its own.
            segmenter: The label generator: a .safetensors file made by ecgan segmenter, or
                segformer:NAME for one of the Hugging Face hub. The toy world has its own.
            run: What the run does besides its steps.
            training: The optimiser and its schedule.
            losses: Weights of the terms; 0 switches one off.
            model: What the networks are made of.
        """
        from ecgan.cli.commands_train import report, train_run

        whole = replace(preset, training=training, losses=losses, model=model)
        outcome = train_run(whole, out, data=data, segmenter=segmenter, settings=run)
        if outcome.trainer.machine.first:
            print(report(outcome, out))

    return train


def segmenter(
    out: Positional[Path],
    *,
    data: Path,
    config: PresetName = "toy",
    kind: Literal["unet", "dilated"] = "unet",
    steps: int = 1000,
    width: int = 16,
    cpu: bool = False,
) -> None:
    r"""Fit a small segmenter to a folder: a label generator for training, or a judge.

    Args:
        out: The file to write, ending in .safetensors.
        data: A folder of images and layouts, see ecgan doctor.
        config: The preset that gives sizes, and classes where the folder has no classes.json.
        kind: unet for the losses; dilated for a judge that shares nothing with it.
        steps: Training steps.
        width: Channels; more read better and take longer.
        cpu: Stay off a GPU.
    """
    from ecgan.cli.commands_train import segmenter_run

    fitted = {"config": PRESETS[config], "data": data, "cpu": cpu}
    print(f"wrote {segmenter_run(out, **fitted, kind=kind, steps=steps, width=width)}")


def evaluate(
    model: str = "toy",
    *,
    data: Path | None = None,
    training_data: Path | None = None,
    judge: str | None = None,
    features: Literal["inception", "judge"] | None = None,
    protocols: tuple[str, ...] = (),
    images: int | None = None,
    few: bool = False,
    cpu: bool = False,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
) -> None:
    r"""Score a generator under named protocols, several at once; the book explains each.

    Args:
        model: A shipped model, a .safetensors file, or the folder of a run.
        data: A folder whose validation part is scored; the toy world draws its own scenes.
        training_data: Real training images, for the protocols that compare with those.
        judge: A segmenter for mIoU and accuracy, as train takes one; it should not be the one that
            the losses used.
        features: What FID and KID compare: published Inception features, or the judge's.
        protocols: fid-, kid-validation, fid-, kid-training, miou-native, miou-upsampled and these
            with -255-counted; fd-lite, kd-lite, fd-, kd-lite-training compare features of the
            extra [lite] and are not to be called FID; the usual three unless given.
        images: Score only so many.
        few: Allow a Frechet distance on no more images than features.
        cpu: Stay off a GPU.
        out: A file of JSON lines to which the rows are added.
    """
    from ecgan.cli.commands_evaluate import as_table, evaluate_model, write_rows

    rows = evaluate_model(
        model,
        data=data,
        training_data=training_data,
        judge=judge,
        features=features,
        protocols=protocols,
        images=images,
        few=few,
        cpu=cpu,
    )
    print(as_table(rows))
    if out is not None:
        write_rows(out, rows)
        print(f"added {len(rows)} rows to {out}")


def export(
    out: Positional[Path],
    *,
    model: str = "toy",
    dynamic_batch: bool = False,
    outputs: tuple[str, ...] = ("edge", "first", "final"),
) -> None:
    r"""Write a generator as ONNX, for programs and pages that run without torch.

    Args:
        out: The file to write.
        model: A shipped model, a .safetensors file, or the folder of a run.
        dynamic_batch: Take any number of layouts at once, not one.
        outputs: What the graph gives, in order.
    """
    from ecgan.cli.commands import load_generator
    from ecgan.weights.onnx import export_onnx

    generator = load_generator(model)
    print(f"wrote {export_onnx(generator, out, dynamic_batch=dynamic_batch, outputs=outputs)}")
