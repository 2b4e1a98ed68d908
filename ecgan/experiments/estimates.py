r"""How far off an estimate of the similarity loss is: rows without any training (chapter 10)."""

from collections.abc import Iterator

import torch

from ecgan.config import Config
from ecgan.data import toy
from ecgan.data.source import HELD_OUT_SEED
from ecgan.method.losses.similarity import affinity_bce, affinity_bce_sampled
from ecgan.synthesis import synthesize
from ecgan.weights.checkpoint import shipped

ESTIMATES = 400  # random values of the similarity loss


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
