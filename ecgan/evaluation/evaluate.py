r"""Pictures to numbers: made pictures and their layouts, scored by several protocols at once."""

import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from ecgan.data.examples import Counted, Example
from ecgan.evaluation.metrics import (
    SUBSETS,
    Extractor,
    accuracy,
    confusion,
    enough,
    fid,
    iou,
    kid,
    mean_iou,
    subset_size,
)
from ecgan.evaluation.protocols import Distance, EvaluationError, Segmentation, protocol
from ecgan.files.records import commit, versions
from ecgan.method.generator import Generator
from ecgan.method.layouts import IGNORE, NEXT_STEP
from ecgan.readers.lite import FEATURES_NAME
from ecgan.synthesis import synthesize

AT_ONCE = 8  # pictures
WAY_OUT = "score more images, take kid (which is unbiased), or insist, with few=True"


def read_classes(
    segmenter: nn.Module, images: Float[Tensor, "b 3 h w"], *, size: tuple[int, int]
) -> Int[Tensor, "b y x"]:
    r"""The segmenter's class at every pixel, after enlarging the pictures to ``size``."""
    if images.shape[-2:] != size:
        images = F.interpolate(images, size, mode="bilinear", align_corners=False)
    # A network that halves its picture, or reads it in patches, wants sides that divide so.
    sizes = getattr(segmenter, "config", {})
    step = 2 ** sizes.get("depth", 0) * sizes.get("patch", 1)
    below, right = (-side % step for side in size)
    padded = F.pad(images, (0, right, 0, below), mode="replicate")
    return segmenter(padded)[..., : size[0], : size[1]].argmax(1)


class Counts:
    r"""Pixels by true class (last row: label 255) and the class that the segmenter read."""

    def __init__(self, *, classes: int):
        self.classes = classes
        self.pixels = torch.zeros(classes + 1, classes, dtype=torch.long)
        self.images = 0

    def add(self, read: Int[Tensor, "b h w"], labels: Int[Tensor, "b h w"]) -> None:
        r"""Count a batch."""
        rows = torch.where(labels == IGNORE, self.classes, labels).cpu()
        flat = (rearrange(maps, "b h w -> (b h w)") for maps in (read.cpu(), rows))
        self.pixels += confusion(*flat, classes=self.classes + 1)[:, : self.classes]
        self.images += len(labels)

    def scores(self, ignored: str) -> tuple[float, float, list[float | None]]:
        r"""Mean IoU, accuracy, and each class's IoU (None where it never occurs)."""
        counts = self.pixels if ignored == "counted" else self.pixels[: self.classes]
        if not counts.sum():
            raise EvaluationError(
                f"{self.images} images without one pixel of a known class: there is nothing to "
                f"read; score others, or look at the label files: {NEXT_STEP}"
            )
        each = [None if value != value else value for value in iou(counts).tolist()]
        return mean_iou(counts), accuracy(counts), each


class Made(NamedTuple):
    r"""A picture in [-1, 1] that was made of a scene's layout."""

    picture: Float[Tensor, "3 h w"]
    scene: Example


def paint(
    generator: Generator,
    scenes: Counted[Example],
    *,
    modality: Literal["first", "final"] = "final",
    batch_size: int = AT_ONCE,
) -> Counted[Made]:
    r"""The generator's pictures of scenes, clamped as in a file, made when they are asked for."""

    def make() -> Iterator[Made]:
        for group in _groups(scenes, batch_size):
            labels = torch.stack([scene.labels for scene in group])
            instances = torch.stack([scene.instances for scene in group])
            pictures = getattr(synthesize(generator, labels, instances), modality)
            yield from map(Made, pictures.float().clamp(-1, 1), group)

    return Counted(count=len(scenes), make=make)


@dataclass(kw_only=True)
class Evaluation:
    r"""What is scored and by whom; :func:`evaluate` fills in the numbers.

    ``made`` are pictures with the validation scenes that they were made of, from :func:`paint` or
    anywhere; ``training`` real images of the training part, for the protocols that compare with
    those. ``segmenter`` reads ``classes`` classes; it and ``features`` are needed by the protocols
    that use them; their names go into the rows. ``lite`` are the lite network's features, of which
    "fd-lite" and its like have their names. ``few`` allows a Frechet distance on no more images
    than features, whose covariance is singular.
    """

    made: Iterable[Made]
    classes: int
    training: Iterable[Tensor] | None = None
    segmenter: nn.Module | None = None
    segmenter_name: str = ""
    features: Extractor | None = None
    features_name: str = ""
    lite: Extractor | None = None
    few: bool = False
    batch_size: int = AT_ONCE

    def extractor(self, one: Distance) -> Extractor | None:
        r"""What a protocol compares."""
        return self.lite if one.features == "lite" else self.features


def _groups(things: Iterable, size: int) -> Iterator[list]:
    group = []
    for thing in things:
        group.append(thing)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _check(setup: Evaluation, chosen: dict[str, Distance | Segmentation]) -> None:
    for name, one in chosen.items():
        if isinstance(one, Segmentation) and setup.segmenter is None:
            raise EvaluationError(f"{name} needs a segmenter: say which, with judge=...")
        if isinstance(one, Distance) and find_spec("torchmetrics") is None:
            raise EvaluationError(
                f"{name} needs torchmetrics: install it with: pip install 'ecgan[train]'"
            )
        if isinstance(one, Distance) and setup.extractor(one) is None:
            raise EvaluationError(
                f"{name} needs an extractor of features: say which, with features=..."
            )
        if isinstance(one, Distance) and one.reference == "training" and setup.training is None:
            raise EvaluationError(
                f"{name} compares with training images: say where they are, with training_data=..."
            )
        if isinstance(one, Distance) and one.measure == "fid" and not setup.few:
            # Where the numbers are known, nobody waits for pictures that are then too few.
            parts = (setup.made, setup.training if one.reference == "training" else None)
            known = [len(part) for part in parts if isinstance(part, Sized)]
            if known:
                enough(name, min(known), setup.extractor(one).num_features, way_out=WAY_OUT)


Features = dict[tuple[str, str], Tensor]


@torch.no_grad()
def _collect(setup: Evaluation, chosen: dict) -> tuple[Features, dict[str, Counts], str]:
    r"""Features by extractor and part, counts by size, the device; one pass over the scenes."""
    extractors = {
        one.features: setup.extractor(one) for one in chosen.values() if isinstance(one, Distance)
    }
    features: dict[tuple[str, str], list[Tensor]] = {}

    def note(part: str, pictures: Tensor) -> None:
        for name, extractor in extractors.items():
            features.setdefault((name, part), []).append(extractor(pictures).cpu())

    sizes = {one.size for one in chosen.values() if isinstance(one, Segmentation)}
    counts = {size: Counts(classes=setup.classes) for size in sizes}
    device = None
    for group in _groups(setup.made, setup.batch_size):
        images = torch.stack([one.picture for one in group])
        device, scenes = images.device, [one.scene for one in group]
        if extractors:
            note("made", images)
            note("validation", torch.stack([scene.image for scene in scenes]).to(device))
        if "native" in counts:
            labels = torch.stack([scene.labels for scene in scenes])
            size = tuple(labels.shape[-2:])
            counts["native"].add(read_classes(setup.segmenter, images, size=size), labels)
        if "upsampled" in counts:
            for image, scene in zip(images, scenes, strict=True):
                one = rearrange(image, "c h w -> 1 c h w")
                whole = rearrange(scene.whole, "y x -> 1 y x")
                read = read_classes(setup.segmenter, one, size=tuple(scene.whole.shape))
                counts["upsampled"].add(read, whole)
    if device is None:
        raise EvaluationError("there are no pictures to score; give at least one")
    if any(isinstance(one, Distance) and one.reference == "training" for one in chosen.values()):
        for group in _groups(setup.training, setup.batch_size):
            note("training", torch.stack(group).to(device))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {key: torch.cat(parts) for key, parts in features.items()}, counts, name


def evaluate(
    setup: Evaluation, protocols: Sequence[str], *, facts: dict | None = None
) -> list[dict]:
    r"""Score under every protocol named; one row a metric, each with its protocol in full.

    The pictures are made once. ``facts`` (a config, a seed, the checkpoint's name) go into every
    row. Raises :class:`EvaluationError` for what is missing, and for too few images for a Frechet
    distance unless ``setup.few``.
    """
    chosen = {name: protocol(name) for name in protocols}
    _check(setup, chosen)
    features, counts, device = _collect(setup, chosen)
    rows = []
    for name, one in chosen.items():
        said = {"name": name, "says": one.says, **asdict(one)}
        if isinstance(one, Distance):
            made, real = (features[one.features, part] for part in ("made", one.reference))
            compared = FEATURES_NAME if one.features == "lite" else setup.features_name
            said |= {"features": compared, "images": len(made), "real": len(real)}
            if one.measure == "fid":
                there, dim = min(len(made), len(real)), made.shape[1]
                if not setup.few:
                    enough(name, there, dim, way_out=WAY_OUT)
                said["few"] = there <= dim
                rows.append({"metric": one.metric, "value": fid(made, real), "protocol": said})
            else:
                value, deviation = kid(made, real)
                said |= {"subsets": SUBSETS, "subset_size": subset_size(made, real)}
                said["deviation"] = deviation
                rows.append({"metric": one.metric, "value": value, "protocol": said})
        else:
            mean, correct, each = counts[one.size].scores(one.ignored)
            said |= {"segmenter": setup.segmenter_name, "images": counts[one.size].images}
            rows.append({"metric": "miou", "value": mean, "classes": each, "protocol": said})
            rows.append({"metric": "accuracy", "value": correct, "protocol": said})
    wrong = [row["metric"] for row in rows if not math.isfinite(row["value"])]
    if wrong:
        raise EvaluationError(
            f"{', '.join(wrong)} came out as no number: the pictures or their features hold NaN or "
            f"infinity; look at some of them first"
        )
    common = {
        "device": device,
        "commit": commit(),
        "versions": versions(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return [row | common | (facts or {}) for row in rows]
