r"""Pictures of a run to rows, under named protocols (chapter 10).

Distances, segmentation, edges, small objects, and how alike a class looks across pictures.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ecgan.data import toy
from ecgan.data.examples import Counted
from ecgan.evaluation.agreement import agreement, class_means
from ecgan.evaluation.evaluate import Evaluation, Made, evaluate, read_classes
from ecgan.evaluation.inside_edges import (
    MARGIN,
    densities,
    density_gap,
    edge_features,
    inner_edges,
)
from ecgan.evaluation.metrics import SegmenterFeatures, fid
from ecgan.evaluation.small_objects import SIZES, Recall, recalls
from ecgan.experiments.grid import TrialSettings
from ecgan.experiments.worlds import World, one_by_one
from ecgan.method.edges import canny, precision_and_recall
from ecgan.readers.lite import lite_features
from ecgan.weights.checkpoint import shipped


def edge_row(found: Bool[Tensor, "b h w"], world: World, *, tolerance: int, what: str) -> dict:
    r"""F1 of edges against Canny of the real images; a hit may lie ``tolerance`` pixels off."""
    precision, recall = precision_and_recall(found, world.real_edges, tolerance=tolerance)
    total = precision + recall
    return {
        "metric": "edge_f1",
        "value": 2 * precision * recall / total if total else 0.0,
        "protocol": {
            "name": f"edge-f1-{tolerance}px",
            "says": (
                f"F1 of {what} against Canny of the real picture of the same layout, over all "
                f"pixels; an edge counts as hit within {tolerance} pixels"
            ),
            "precision": precision,
            "recall": recall,
            "images": len(found),
        },
    }


def scores(pictures: Float[Tensor, "b 3 h w"], world: World, *, few: bool) -> list[dict]:
    r"""Distances, mIoU, accuracy, and the IoU of the toy world's tiny classes."""
    judge, scenes = shipped(world.judge), world.scenes
    known = list(map(Made, pictures, one_by_one(scenes)))
    setup = Evaluation(
        made=Counted(count=len(known), make=lambda: iter(known)),
        classes=len(world.names),
        segmenter=judge,
        segmenter_name=world.judge,
        features=SegmenterFeatures(segmenter=judge),
        features_name=world.judge,
        lite=lite_features() if world.lite else None,
        few=few,
    )
    rows = evaluate(setup, world.protocols)
    (miou,) = [row for row in rows if row["metric"] == "miou"]
    if set(toy.TINY) <= set(world.names):
        tiny = {name: miou["classes"][world.names.index(name)] for name in toy.TINY}
        for name, value in (tiny | {"tiny": sum(tiny.values()) / len(tiny)}).items():
            rows.append({**miou, "metric": f"iou_{name}", "value": value})
    return rows


@torch.no_grad()
def inside_rows(
    pictures: Float[Tensor, "b 3 h w"],
    edges: Bool[Tensor, "b h w"],
    world: World,
    *,
    labels: Int[Tensor, "b h w"],
) -> list[dict]:
    r"""Edges inside regions as distributions, and how alike a class is across pictures."""
    judge, real, classes = shipped(world.judge), world.scenes, len(world.names)
    made, there = inner_edges(edges, labels), inner_edges(world.real_edges, real.labels)
    extractor = SegmenterFeatures(segmenter=judge)
    distance = fid(edge_features(made, extractor), edge_features(there, extractor))
    gap = density_gap(
        densities(made, labels, classes=classes), densities(there, real.labels, classes=classes)
    )
    alike = agreement(
        class_means(pictures, labels, judge, classes=classes),
        class_means(real.images, real.labels, judge, classes=classes),
    )
    inner = f"Canny's edges further than {MARGIN} pixels from another class"
    found = {
        "inner_edges": (
            distance,
            f"Frechet distance between {world.judge}'s features of maps of {inner}, of the "
            f"pictures and of the real ones",
        ),
        "edge_density": (
            gap,
            f"distance between the distributions over pictures of each class's share of {inner}, "
            f"in the pictures and in the real ones; mean over classes",
        ),
        "agreement": (
            alike,
            f"cosine of {world.judge}'s features of one class in different pictures, less that of "
            f"different classes; scaled as the real pictures' are",
        ),
    }
    return [
        {
            "metric": metric,
            "value": value,
            "protocol": {"name": metric.replace("_", "-"), "says": says, "images": len(pictures)},
        }
        for metric, (value, says) in found.items()
    ]


@torch.no_grad()
def small_rows(pictures: list[Float[Tensor, "b 3 h w"]], world: World) -> list[dict]:
    r"""Recall of small objects by size, and its mean over the sizes, in pictures of ``small``."""
    judge, found = shipped(world.judge), dict.fromkeys(SIZES, Recall())
    for painted, scenes in zip(pictures, world.small, strict=True):
        size = tuple(scenes.labels.shape[-2:])
        read = torch.cat([read_classes(judge, some, size=size) for some in painted.split(64)])
        counted = recalls(read, scenes.labels, scenes.instances, classes=world.small_classes)
        found = {pixels: found[pixels] + counted[pixels] for pixels in SIZES}
    names = ", ".join(world.names[index] for index in world.small_classes)
    says = (
        f"share of the objects of {{}} pixels ({names}) of which {world.judge} reads at least half "
        f"as their class"
    )
    known = [one for one in found.values() if one.there]
    rows = [
        {
            "metric": f"recall_{pixels}",
            "value": one.share,
            "protocol": {
                "name": f"recall-{pixels}px",
                "says": says.format(f"about {pixels}"),
                "objects": one.there,
            },
        }
        for pixels, one in found.items()
        if one.there
    ]
    mean = sum(one.share for one in known) / len(known)
    sizes = ", ".join(map(str, SIZES))
    protocol = {"name": "recall-small", "says": f"mean over sizes of the {says.format(sizes)}"}
    protocol["objects"] = sum(one.there for one in known)
    return [*rows, {"metric": "recall_small", "value": mean, "protocol": protocol}]


def picture_rows(
    pictures: Float[Tensor, "b 3 h w"],
    world: World,
    *,
    trial: TrialSettings,
    labels: Int[Tensor, "b h w"] | None = None,
) -> list[dict]:
    r"""All rows of pictures of the scored scenes; of other ``labels`` only the distances hold."""
    own = world.scenes.labels if labels is None else labels
    edges = canny(pictures, settings=world.edges)
    return [
        *scores(pictures, world, few=trial.scored < 128),
        edge_row(edges, world, tolerance=trial.tolerance, what="Canny of the picture"),
        *inside_rows(pictures, edges, world, labels=own),
    ]
