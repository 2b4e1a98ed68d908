r"""What a judge sees in pictures of scenes that are known: one call, four numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.data import toy
from ecgan.evaluation.metrics import accuracy, confusion, enough, fid, iou, mean_iou, pooled

AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class Scores:
    r"""What a judge sees in pictures of known layouts: shares 0 to 1, and a Frechet distance."""

    mean_iou: float
    accuracy: float
    class_iou: dict[str, float]
    frechet: float


@torch.no_grad()
def score(
    images: Float[Tensor, "b 3 h w"],
    scenes: toy.Scenes,
    judge: nn.Module,
    *,
    classes: Sequence[str] = toy.CLASSES,
) -> Scores:
    r"""Score ``images`` of the layouts of ``scenes``; Frechet distance to their real images.

    ``classes`` names the judge's classes. Raises
    :class:`ecgan.evaluation.protocols.EvaluationError` for no more images than features.
    """
    counts, fake_features, real_features = 0, [], []
    wholes = (images, scenes.images, scenes.labels)
    for fake, real, labels in zip(*(whole.split(AT_ONCE) for whole in wholes), strict=True):
        counts = counts + confusion(judge(fake).argmax(1), labels, classes=len(classes))
        fake_features.append(pooled(judge.features(fake)))
        real_features.append(pooled(judge.features(real)))
    made, there = torch.cat(fake_features), torch.cat(real_features)
    enough("the Frechet distance", len(made), made.shape[1])
    return Scores(
        mean_iou=mean_iou(counts),
        accuracy=accuracy(counts),
        class_iou=dict(zip(classes, iou(counts).tolist(), strict=True)),
        frechet=fid(made, there),
    )
