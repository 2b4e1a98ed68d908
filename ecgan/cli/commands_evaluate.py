r"""What `ecgan evaluate` and `ecgan export` do, callable from a notebook as well."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from ecgan.cli.commands import load_generator, model_file
from ecgan.cli.commands_train import read_segmenter
from ecgan.config import Config, DataConfig
from ecgan.data.examples import folder_examples, pictures, toy_examples
from ecgan.data.folders.scenes import find_convention
from ecgan.data.source import HELD_OUT_SEED
from ecgan.evaluation.distances import SegmenterFeatures
from ecgan.evaluation.evaluate import Evaluation, evaluate
from ecgan.evaluation.protocols import Distance, EvaluationError, protocol
from ecgan.files import records
from ecgan.method.generator import Generator
from ecgan.readers.lite import lite_features
from ecgan.weights.checkpoint import notes

TOY_IMAGES = 500
INCEPTION, JUDGE = "inception", "judge"
INCEPTION_NAME = (
    "last pooled features of the published Inception-v3 of 2015; pictures rounded to 8 bits, "
    "resized to 299 x 299 as TensorFlow 1 did"
)
USUAL = ("fid-validation", "kid-validation", "miou-native")


def facts_of(model: str, generator: Generator) -> dict:
    r"""Config, seed and name of what is scored; the whole config where the file carries it."""
    config = notes(model_file(model)).get("config", {"model": asdict(generator.config)})
    seed = config.get("training", {}).get("seed")
    return {"config": config, "seed": seed, "checkpoint": model}


def toy_setup(generator: Generator, count: int) -> dict:
    r"""Held-out scenes, and as many of the training scenes for protocols that want them."""
    config = Config(model=generator.config, data=DataConfig(name="toy"))
    return {
        "validation": toy_examples(config, count=count, seed=HELD_OUT_SEED),
        "training": pictures(toy_examples(config, count=count, seed=0)),
    }


def pictures_of(model: str) -> DataConfig:
    r"""Whole pictures or crops, as the model was trained, where its file says so."""
    scale = notes(model_file(model)).get("config", {}).get("data", {}).get("scale")
    return DataConfig(name="folder", scale=scale and tuple(scale))


def folder_setup(
    generator: Generator,
    data: Path,
    training_data: Path | None,
    count: int | None,
    cut: DataConfig,
) -> dict:
    r"""A folder's validation part; its training part, or another folder, as reference."""
    config = Config(model=generator.config, data=cut)
    if training_data is None and "{split}" in find_convention(data).images.folder:
        training_data = data
    training = None
    if training_data is not None:
        training = pictures(
            folder_examples(training_data, config=config, split="train", count=count)
        )
    return {
        "validation": folder_examples(data, config=config, count=count),
        "training": training,
    }


def evaluate_model(
    model: str,
    *,
    data: Path | None = None,
    training_data: Path | None = None,
    judge: str | None = None,
    features: str | None = None,
    protocols: Sequence[str] = (),
    images: int | None = None,
    few: bool = False,
    cpu: bool = False,
) -> list[dict]:
    r"""Rows of scores of ``model``: a shipped one's name, a .safetensors file, or a run's folder.

    Without ``data`` the toy world's held-out scenes are scored, with the toy judge. ``features``
    is "inception", the default for photographs, or "judge".
    """
    generator = load_generator(model)
    device = "cuda" if torch.cuda.is_available() and not cpu else "cpu"
    if data is None:
        judge, features = judge or "toy_judge", features or JUDGE
        setup = toy_setup(generator, images or TOY_IMAGES)
    else:
        setup = folder_setup(generator, data, training_data, images, pictures_of(model))
    features = features or INCEPTION
    if features not in (INCEPTION, JUDGE) or (features == JUDGE and judge is None):
        raise EvaluationError(
            f'features is {features!r}; allowed are "inception", and "judge" together with --judge'
        )
    chosen = tuple(protocols) or tuple(name for name in USUAL if judge or "miou" not in name)
    wanted = {one.features for one in map(protocol, chosen) if isinstance(one, Distance)}
    segmenter = None
    if judge is not None:
        segmenter = read_segmenter(judge, classes=generator.config.classes).to(device)
    extractor = None
    if "chosen" in wanted:
        extractor = _extractor(features, segmenter).to(device)
    return evaluate(
        Evaluation(
            generator=generator.to(device),
            segmenter=segmenter,
            segmenter_name=judge or "",
            features=extractor,
            features_name=INCEPTION_NAME if features == INCEPTION else f"means of {judge}'s maps",
            lite=lite_features().to(device) if "lite" in wanted else None,
            few=few,
            **setup,
        ),
        chosen,
        facts=facts_of(model, generator) | {"data": str(data or "toy world")},
    )


def _extractor(features: str, segmenter):
    if features == JUDGE:
        return SegmenterFeatures(segmenter=segmenter)
    from ecgan.readers.inception import published_inception

    return published_inception()


def as_table(rows: Sequence[dict]) -> str:
    r"""The rows for reading: metric, value, protocol."""
    lines = [
        f"{row['metric']:9s} {row['value']:10.4f}  {row['protocol']['name']}: "
        f"{row['protocol']['says']}"
        for row in rows
    ]
    return "\n".join(lines)


def write_rows(out: Path, rows: Sequence[dict]) -> None:
    r"""Append the rows to a file of JSON lines."""
    records.append(out, rows)
