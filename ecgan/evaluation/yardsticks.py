r"""What a score is to be held against: other painters of the same layouts, under one protocol.

A number alone says little. Beside a model's "final" image stand its "first" one, the "real"
pictures of the layouts, as many real ones of the "training" part, and the layouts in "flat"
colours. The last hold nothing but the layout; the training pictures are the floor of a distance,
and the real ones what a judge can score at all. Where some layouts hold one class only, for which a
network without a random input has one picture, "told" leaves those out of the distance.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from einops import einsum, rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor

from ecgan.data.examples import Counted, Example
from ecgan.evaluation.evaluate import Evaluation, Made, evaluate, paint
from ecgan.evaluation.protocols import Distance, EvaluationError, Segmentation, protocol
from ecgan.method.generator import Generator
from ecgan.method.layouts import IGNORE

RESULTS = Path(__file__).parent / "results"  # rows of shipped models


def real(scenes: Counted[Example], *, device: torch.device | str = "cpu") -> Counted[Made]:
    r"""The scenes' own pictures."""
    return Counted(
        count=len(scenes),
        make=lambda: (Made(scene.image.to(device), scene) for scene in scenes),
    )


def others(
    scenes: Counted[Example], training: Counted[Example], *, device: torch.device | str = "cpu"
) -> Counted[Made]:
    r"""Real pictures of other scenes beside ``scenes``, as many as there are of both."""
    count = min(len(scenes), len(training))
    pairs = Counted(count=count, make=lambda: islice(zip(scenes, training), count))
    return Counted(
        count=count,
        make=lambda: (Made(other.image.to(device), scene) for scene, other in pairs),
    )


def class_colours(scenes: Iterable[Example], *, classes: int) -> Float[Tensor, "k 3"]:
    r"""Mean colour of each class in [-1, 1], ``classes`` rows, and one for what has no class.

    That last one, also of classes that never occur, is the mean of all pixels.
    """
    sums, pixels = torch.zeros(classes + 1, 3).double(), torch.zeros(classes + 1).double()
    for scene in scenes:
        ids = torch.where(scene.labels == IGNORE, classes, scene.labels)
        hot = torch.nn.functional.one_hot(ids, classes + 1).double()
        sums += einsum(hot, scene.image.double(), "h w k, c h w -> k c")
        pixels += reduce(hot, "h w k -> k", "sum")
    known = rearrange(pixels > 0, "k -> k 1").clone()
    known[classes] = False
    mean = sums / rearrange(pixels, "k -> k 1")
    return torch.where(known, mean, sums.sum(0) / pixels.sum()).float()


def coloured(
    labels: Int[Tensor, "*b h w"], colours: Float[Tensor, "k 3"]
) -> Float[Tensor, "*b 3 h w"]:
    r"""Layouts, each class in its colour; the last colour is for don't care."""
    ids = torch.where(labels == IGNORE, len(colours) - 1, labels)
    return rearrange(colours[ids], "... h w c -> ... c h w")


def flat(
    scenes: Counted[Example],
    colours: Float[Tensor, "k 3"],
    *,
    device: torch.device | str = "cpu",
) -> Counted[Made]:
    r"""The layouts, :func:`coloured`."""
    return Counted(
        count=len(scenes),
        make=lambda: (Made(coloured(scene.labels, colours).to(device), scene) for scene in scenes),
    )


def uniform(scene: Example) -> bool:
    r"""Whether a layout says one class and nothing else."""
    return len(scene.labels.unique()) == 1


def told(made: Counted[Made]) -> Counted[Made]:
    r"""The pictures, but the real ones where the layout is :func:`uniform`.

    What is left of a distance is owed to layouts that tell something.
    """

    def make() -> Iterator[Made]:
        for one in made:
            if uniform(one.scene):
                one = one._replace(picture=one.scene.image.to(one.picture))
            yield one

    return Counted(count=len(made), make=make)


def beside(
    generator: Generator, scenes: Counted[Example], training: Counted[Example] | None
) -> dict[str, Counted[Made]]:
    r"""The painters beside the generator's final image, by name.

    Raises :class:`EvaluationError` without training scenes.
    """
    if training is None:
        raise EvaluationError(
            "yardsticks compare with training images: say where they are, with training_data=..."
        )
    device = next(generator.parameters()).device
    colours = class_colours(training, classes=generator.config.classes)
    painters = {
        "first": paint(generator, scenes, modality="first"),
        "real": real(scenes, device=device),
        "training": others(scenes, training, device=device),
        "flat": flat(scenes, colours, device=device),
    }
    if any(map(uniform, scenes)):
        painters["told"] = told(paint(generator, scenes))
    return painters


def tells(painter: str, one: Distance | Segmentation) -> bool:
    r"""Whether a protocol says anything of a painter's pictures.

    Real pictures are at no distance from themselves, and those of other scenes have other layouts.
    What is real and in its own place, a judge reads too well.
    """
    if painter == "told":
        return isinstance(one, Distance)
    if painter == "real":
        return isinstance(one, Segmentation) or one.reference == "training"
    if painter == "training":
        return isinstance(one, Distance) and one.reference == "validation"
    return True


def compare(
    setup: Evaluation,
    protocols: Sequence[str],
    painters: Mapping[str, Counted[Made]],
    *,
    facts: dict | None = None,
) -> list[dict]:
    r"""Rows of every painter under the protocols that tell of it; each row names its painter."""
    rows = []
    for painter, made in painters.items():
        names = [name for name in protocols if tells(painter, protocol(name))]
        if names:
            told = (facts or {}) | {"painter": painter}
            rows += evaluate(replace(setup, made=made), names, facts=told)
    return rows
