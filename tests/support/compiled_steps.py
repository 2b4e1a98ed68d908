r"""A few steps of a compiled run beside a plain one; a program, for the tests' checks of shapes
would break every graph.

Prints, as JSON, the graphs of each network's forward, why they break, and the values of both runs.
"""

import json
import sys

import torch

from ecgan.training import Trainer, toy_batches, train
from ecgan.training.compiled import Compiled, compile_networks
from support import tiny_run

CONFIG = tiny_run.config(steps=1, ema=0.5)


def values(*, compiled: bool) -> list[dict]:
    trainer = Trainer(config=CONFIG, segmenter=tiny_run.segmenter())
    if compiled:
        compile_networks(trainer, backend="aot_eager")
    return train(trainer, toy_batches(CONFIG), log_every=1).rows


def breaks() -> dict[str, dict]:
    found = {}
    trainer = Trainer(config=CONFIG, segmenter=tiny_run.segmenter())
    batch = next(toy_batches(CONFIG))
    inputs = {"generator": (batch.semantics,), "discriminator": (batch.semantics, batch.images)}
    for name, given in inputs.items():
        torch._dynamo.reset()
        told = torch._dynamo.explain(getattr(trainer, name).forward)(*given)
        found[name] = {
            "graphs": told.graph_count,
            "breaks": told.graph_break_count,
            "why": [str(reason.reason)[:200] for reason in told.break_reasons],
        }
    return found


def by_inductor() -> list[bool | str]:
    r"""A part of the generator through the CPU's own compiler."""
    said = []
    part = Trainer(config=CONFIG, segmenter=tiny_run.segmenter()).generator.edge_generator
    features = torch.randn(1, 4, 8, 8)
    quick = Compiled(part, modes=["default"], tell=said.append)
    edge, expected = quick(features)[0], part(features)[0]
    return [torch.allclose(edge, expected, atol=1e-5), *said]


if __name__ == "__main__":
    torch.set_num_threads(1)
    plain = values(compiled=False)
    said = {"plain": plain, "compiled": values(compiled=True), "breaks": breaks()}
    print(json.dumps(said | {"inductor": by_inductor() if "inductor" in sys.argv else None}))
