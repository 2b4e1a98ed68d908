r"""Pictures of a run to rows: distances, segmentation, edges, under named protocols (ch. 10)."""

from collections.abc import Iterator

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.examples import Counted, toy_examples
from ecgan.data.source import HELD_OUT_SEED
from ecgan.evaluation.evaluate import Evaluation, Made, evaluate
from ecgan.evaluation.metrics import SegmenterFeatures
from ecgan.experiments.grid import GridError, TrialSettings
from ecgan.method.edges import TOY, canny, layout_boundaries, precision_and_recall
from ecgan.method.losses.similarity import affinity_bce, affinity_bce_sampled
from ecgan.synthesis import synthesize
from ecgan.weights.checkpoint import shipped

JUDGE = "toy_judge"
PROTOCOLS = ("fid-validation", "kid-validation", "miou-native")
OTHER_SEED = 4  # real scenes that are neither learned from nor scored
YARDSTICKS = ("real", "flat")
ESTIMATES = 400  # random values of the similarity loss


def edge_row(
    found: Bool[Tensor, "b h w"], scenes: toy.Scenes, *, tolerance: int, what: str
) -> dict:
    r"""F1 of edges against Canny of the real images; a hit may lie ``tolerance`` pixels off."""
    wanted = canny(scenes.images, settings=TOY)
    precision, recall = precision_and_recall(found, wanted, tolerance=tolerance)
    total = precision + recall
    return {
        "metric": "edge_f1",
        "value": 2 * precision * recall / total if total else 0.0,
        "protocol": {
            "name": f"edge-f1-{tolerance}px",
            "says": (
                f"F1 of {what} against Canny (toy settings) of the real picture of the same "
                f"layout, over all pixels; an edge counts as hit within {tolerance} pixels"
            ),
            "precision": precision,
            "recall": recall,
            "images": len(found),
        },
    }


def picture_rows(
    pictures: Float[Tensor, "b 3 h w"], scenes: toy.Scenes, *, config: Config, trial: TrialSettings
) -> list[dict]:
    r"""Rows of one kind of picture of the held-out scenes; clamped to [-1, 1], as a file would be.

    FID and KID on the judge's features, mIoU, accuracy and the IoU of the tiny classes as the judge
    reads them, F1 of Canny edges.
    """
    pictures, judge = pictures.clamp(-1, 1), shipped(JUDGE)
    examples = toy_examples(config, count=trial.scored, seed=HELD_OUT_SEED)
    setup = Evaluation(
        made=Counted(count=len(pictures), make=lambda: map(Made, pictures, examples)),
        classes=config.model.classes,
        segmenter=judge,
        segmenter_name=JUDGE,
        features=SegmenterFeatures(segmenter=judge),
        features_name=JUDGE,
        few=trial.scored < 100,
    )
    rows = evaluate(setup, PROTOCOLS)
    (miou,) = [row for row in rows if row["metric"] == "miou"]
    tiny = {name: miou["classes"][toy.CLASSES.index(name)] for name in toy.TINY}
    for name, value in (tiny | {"tiny": sum(tiny.values()) / len(tiny)}).items():
        rows.append({**miou, "metric": f"iou_{name}", "value": value})
    edges = canny(pictures, settings=TOY)
    what = "Canny (toy settings) of the picture"
    return [*rows, edge_row(edges, scenes, tolerance=trial.tolerance, what=what)]


def generator_rows(
    generator: nn.Module, scenes: toy.Scenes, *, config: Config, trial: TrialSettings
) -> Iterator[dict]:
    r"""Rows of the first and the final image, and of the edge map where there is one."""
    parts = zip(scenes.labels.split(8), scenes.instances.split(8), strict=True)
    made = [synthesize(generator, labels, instances) for labels, instances in parts]
    for modality in ("first", "final"):
        pictures = torch.cat([getattr(part, modality).cpu() for part in made])
        for row in picture_rows(pictures, scenes, config=config, trial=trial):
            yield row | {"picture": modality}
    if config.model.edge_branch:
        found = torch.cat([part.edge.cpu().mean(1) for part in made]) > 0
        what = "the edge map (above 0)"
        yield edge_row(found, scenes, tolerance=trial.tolerance, what=what) | {"picture": "edge"}


def held_out(config: Config, trial: TrialSettings) -> toy.Scenes:
    r"""The scenes that are scored: none of them was learned from."""
    size = {"height": config.model.height, "width": config.model.width}
    return toy.scenes(trial.scored, seed=HELD_OUT_SEED, **size)


def yardstick_rows(kind: str, *, config: Config, trial: TrialSettings) -> Iterator[dict]:
    r"""What the metrics say of pictures that no network painted.

    "real": the real pictures of the layouts; for the distances, real pictures of other scenes.
    "flat": each pixel in the mean colour of its class, so nothing but the layout.
    """
    if kind not in YARDSTICKS:
        raise GridError(f"no yardstick {kind!r}; a variant is one of {', '.join(YARDSTICKS)}")
    scenes = held_out(config, trial)
    others = toy.scenes(trial.scored, seed=OTHER_SEED)
    if kind == "real":
        own = picture_rows(scenes.images, scenes, config=config, trial=trial)
        other = picture_rows(others.images, scenes, config=config, trial=trial)
        rows = [far if far["metric"] in ("fid", "kid") else row for row, far in zip(own, other)]
    else:
        palette = torch.stack(
            [
                rearrange(others.images, "b c h w -> c b h w")[:, others.labels == index].mean(1)
                for index in range(len(toy.CLASSES))
            ]
        )
        flat = rearrange(palette[scenes.labels], "b h w c -> b c h w")
        rows = picture_rows(flat, scenes, config=config, trial=trial)
    for row in rows:
        yield row | {"picture": "final"}


@torch.no_grad()
def similarity_rows(*, config: Config) -> Iterator[dict]:
    r"""The similarity loss of a batch that the shipped generator painted: exact, and estimated.

    ``losses.similarity_pairs`` are drawn an image; None gives the exact value, which has no spread.
    """
    count, pairs = config.training.batch_size, config.losses.similarity_pairs
    scenes = toy.scenes(count, seed=HELD_OUT_SEED, start=1000 * config.training.seed)
    final = synthesize(shipped("toy"), scenes.labels, scenes.instances).final
    probabilities = shipped("toy_segmenter")(final).softmax(dim=1)
    exact = affinity_bce(probabilities, scenes.labels).item()
    values = torch.full((ESTIMATES,), exact)
    if pairs is not None:
        dice = torch.Generator().manual_seed(config.training.seed)
        estimate = {"pairs": pairs, "generator": dice}
        for draw in range(ESTIMATES):
            values[draw] = affinity_bce_sampled(probabilities, scenes.labels, **estimate).value
    every = config.model.height**2 * config.model.width**2
    protocol = {
        "name": "similarity-of-shipped",
        "says": (
            f"similarity loss of {count} pictures by the shipped toy generator, from random pairs "
            f"of pixels, {ESTIMATES} times anew; spread: standard deviation over exact value"
        ),
        "share": 1.0 if pairs is None else pairs / every,
    }
    for metric, value in (
        ("similarity", values.double().mean().item()),
        ("similarity_exact", exact),
        ("similarity_spread", (values.double().std() / exact).item()),
    ):
        yield {"metric": metric, "value": value, "protocol": protocol, "picture": "final"}


def boundary_maps(labels: Tensor) -> Float[Tensor, "b 3 h w"]:
    r"""The layout's own boundaries as an edge target: all that the layout knows of edges."""
    return repeat(layout_boundaries(labels).float() * 2 - 1, "b h w -> b 3 h w")
