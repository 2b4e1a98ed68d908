r"""What runs and metrics are called: one name each, in the grid, the chapter and the results."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Metric:
    r"""A metric's name for the reader, the digits it is shown with, and which way is better."""

    name: str
    digits: int
    better: Literal["higher", "lower"]


def _metrics(**said: tuple[str, int, str]) -> Mapping[str, Metric]:
    return MappingProxyType(
        {key: Metric(name=name, digits=d, better=b) for key, (name, d, b) in said.items()}
    )


METRICS = _metrics(
    fid=("toy FID", 2, "lower"),
    kid=("toy KID", 3, "lower"),
    miou=("mIoU", 3, "higher"),
    inner_edges=("inner edges", 3, "lower"),
    edge_density=("edge density", 3, "lower"),
    recall_small=("small objects", 3, "higher"),
    recall_6=("`6` pixels", 3, "higher"),
    recall_12=("`12` pixels", 3, "higher"),
    recall_24=("`24` pixels", 3, "higher"),
    agreement=("agreement", 3, "higher"),
    accuracy=("accuracy", 3, "higher"),
    iou_tiny=("IoU of tiny classes", 3, "higher"),
    iou_lamp=("lamp", 3, "higher"),
    iou_person=("person", 3, "higher"),
    edge_f1=("edge F1", 3, "higher"),
    **{"fd-lite": ("FD lite", 1, "lower"), "kd-lite": ("KD lite", 1, "lower")},
)
# Nothing but the image branch; parts added one by one, up to the whole.
ADDED = MappingProxyType(
    {
        "baseline": "image branch alone",
        "edges": "+ edge branch and transfer",
        "semantic": "+ semantic preserving",
        "similarity": "+ similarity",
        "within": "+ contrast within a layout",
        "across": "+ contrast across layouts",
        "whole": "+ scales: the whole",
    }
)
# What the whole lacks here; two of these stand above as well.
TAKEN = MappingProxyType(
    {
        "without_edges": "edges and transfer",
        "without_semantic": "semantic preserving",
        "without_similarity": "similarity",
        "similarity": "contrast",
        "without_across": "other layouts",
        "across": "scales",
    }
)
VARIANTS = tuple(dict.fromkeys([*ADDED, *TAKEN]))


def called(run: str) -> str:
    r"""A run by its one name: the variant's in the grid, with spaces for underscores."""
    variant, _, picture = run.partition("/")[2].partition("@")
    name = f"*{variant.replace('_', ' ')}*"
    return f"{name}, first image" if picture else name
