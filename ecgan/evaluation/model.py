r"""A model by its name to rows of scores; its data, judge and features are found."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from ecgan.config import Config, DataConfig
from ecgan.data.examples import Counted, Example, folder_examples, pictures, toy_examples
from ecgan.data.folders.classes import classes_file, decide_classes
from ecgan.data.folders.layouts import check_asked
from ecgan.data.folders.scenes import find_convention
from ecgan.data.source import HELD_OUT_SEED
from ecgan.evaluation.evaluate import Evaluation, paint
from ecgan.evaluation.metrics import Extractor, SegmenterFeatures
from ecgan.evaluation.protocols import Distance, EvaluationError, protocol
from ecgan.evaluation.yardsticks import beside, compare, uniform
from ecgan.method.generator import Generator
from ecgan.readers.lite import lite_features
from ecgan.weights.checkpoint import notes
from ecgan.weights.named import crop_scale, find_generator, find_model, find_segmenter

TOY_IMAGES = 500
LARGE = 96  # pixels, from which on the toy judge of 128 is nearer than that of 64
INCEPTION, JUDGE = "inception", "judge"
INCEPTION_NAME = (
    "last pooled features of the published Inception-v3 of 2015; pictures rounded to 8 bits, "
    "resized to 299 x 299 as TensorFlow 1 did"
)
USUAL = ("fid-validation", "kid-validation", "miou-native")


def facts_of(model: str, generator: Generator) -> dict:
    r"""Config, seed and name of what is scored, and the (height, width) of its pictures.

    The whole config where the file carries it.
    """
    config = notes(find_model(model)).get("config", {"model": asdict(generator.config)})
    seed = config.get("training", {}).get("seed")
    size = [generator.config.height, generator.config.width]
    return {"config": config, "seed": seed, "checkpoint": model, "size": size}


def toys_judge(generator: Generator) -> str:
    r"""The shipped judge of the toy world that learned at the size nearest to the pictures'."""
    small = min(generator.config.height, generator.config.width) < LARGE
    return "toy_judge" if small else "toy_judge_128"


def toy_scenes(generator: Generator, count: int) -> tuple[Counted[Example], Counted[Example]]:
    r"""Held-out scenes, and as many training scenes."""
    config = Config(model=generator.config, data=DataConfig(name="toy"))
    held_out = toy_examples(config, count=count, seed=HELD_OUT_SEED)
    return held_out, toy_examples(config, count=count, seed=0)


def pictures_of(model: str) -> DataConfig:
    r"""Whole pictures or crops, as the model was trained, where its file says so."""
    return DataConfig(name="folder", scale=crop_scale(model))


def folder_scenes(
    generator: Generator,
    data: Path,
    training_data: Path | None,
    count: int | None,
    *,
    cut: DataConfig,
) -> tuple[Counted[Example], Counted[Example] | None]:
    r"""The scenes of a folder's validation part; of its training part, or of another folder."""
    config = Config(model=generator.config, data=cut)
    names = decide_classes(config, data).names
    if names and len(names) != config.model.classes:
        print(
            f"note: the model paints {config.model.classes} classes, {classes_file(data)} names "
            f"{len(names)}; is it this data set's model?",
            file=sys.stderr,
        )
    if training_data is None and "{split}" in find_convention(data).images.folder:
        training_data = data
    training = None
    if training_data is not None:
        training = folder_examples(training_data, config=config, split="train", count=count)
    return folder_examples(data, config=config, count=count), training


def evaluate_model(
    model: str,
    *,
    data: Path | None = None,
    training_data: Path | None = None,
    judge: str | None = None,
    features: str | None = None,
    protocols: Sequence[str] = (),
    images: int | None = None,
    size: tuple[int, int] | None = None,
    few: bool = False,
    yardsticks: bool = False,
    cpu: bool = False,
) -> list[dict]:
    r"""Rows of scores of ``model``: a shipped one's name, a .safetensors file, or a run's folder.

    Without ``data`` the toy world's held-out scenes are scored, with the toy judge. ``features``
    is "inception", the default for photographs, or "judge". Pictures have ``size`` (height, width),
    the model's own unless given. With ``yardsticks`` rows of other painters follow; every row says
    whose pictures were scored, the model's unless otherwise said, and how many layouts hold one
    class only.
    """
    if images is not None and images < 1:
        raise EvaluationError(f"images is {images}; score at least 1, or all, without images=...")
    chosen = {name: protocol(name) for name in protocols}
    generator = find_generator(model)
    if size is not None:
        check_asked(size, generator.config)
        generator.config = replace(generator.config, height=size[0], width=size[1])
    device = "cuda" if torch.cuda.is_available() and not cpu else "cpu"
    if data is None:
        judge, features = judge or toys_judge(generator), features or JUDGE
        images = images or TOY_IMAGES
        find = partial(toy_scenes, generator)
    else:
        cut = pictures_of(model)
        find = partial(folder_scenes, generator, data, training_data, cut=cut)
    scenes, training = find(images)
    features = features or INCEPTION
    if features not in (INCEPTION, JUDGE) or (features == JUDGE and judge is None):
        raise EvaluationError(
            f'features is "{features}"; allowed are "inception", and "judge" together with '
            f"judge=..., a segmenter's file"
        )
    if not chosen:
        chosen = {name: protocol(name) for name in USUAL if judge or "miou" not in name}
    wanted = {one.features for one in chosen.values() if isinstance(one, Distance)}
    segmenter = extractor = None
    if judge is not None:
        segmenter = find_segmenter(judge, classes=generator.config.classes).to(device)
    if "chosen" in wanted:
        extractor = _extractor(features, segmenter).to(device)
    setup = Evaluation(
        made=paint(generator.to(device), scenes),
        classes=generator.config.classes,
        training=None if training is None else pictures(training),
        segmenter=segmenter,
        segmenter_name=judge or "",
        features=extractor,
        features_name=INCEPTION_NAME if features == INCEPTION else f"means of {judge}'s maps",
        lite=lite_features().to(device) if "lite" in wanted else None,
        few=few,
    )
    facts = facts_of(model, generator) | {"data": str(data or "toy world")}
    painters = {"final": setup.made}
    if yardsticks:
        painters |= beside(generator, scenes, find(len(scenes))[1])
        facts["uniform"] = sum(map(uniform, scenes))
    return compare(setup, tuple(chosen), painters, facts=facts)


def _extractor(features: str, segmenter: torch.nn.Module | None) -> Extractor:
    if features == JUDGE:
        return SegmenterFeatures(segmenter=segmenter)
    from ecgan.readers.inception import published_inception

    return published_inception()


def as_table(rows: Sequence[dict]) -> str:
    r"""The rows for reading: painter, metric, value, protocol."""
    lines = [
        f"{row['painter']:9s} {row['metric']:9s} {row['value']:10.4f}  {row['protocol']['name']}: "
        f"{row['protocol']['says']}"
        for row in rows
    ]
    return "\n".join(lines)
