r"""A training run in several processes, each of which writes down what it ended with.

Started by ``accelerate launch``; the argument is a folder.
"""

import json
import sys
from pathlib import Path

import torch

from ecgan.data.source import Source
from ecgan.training import Processes, RunSettings, fit
from support import tiny_run

SETTINGS = RunSettings(checkpoint_every=2, log_every=1, sample_every=0, cpu=True)
CONFIG = tiny_run.config(steps=3, ema=0.5, batch_size=2, accumulate=2, losses=tiny_run.WITH_MEMORY)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    machine = Processes(cpu=True)
    first = next(Source(config=CONFIG, machine=machine).batches(0))
    outcome = fit(CONFIG, folder, segmenter=tiny_run.segmenter(), settings=SETTINGS)
    trainer = outcome.trainer
    state = {
        "generator": trainer.generator.state_dict(),
        "discriminator": trainer.discriminator.state_dict(),
        "average": trainer.trained.state_dict(),
        "objective": {
            name: value
            for name, value in trainer.objective.state_dict().items()
            if ".banks." not in name  # each remembers pixels of its own batches
        },
    }
    bytes_of = {
        f"{part}.{name}": value.numpy().tobytes().hex()
        for part, values in state.items()
        for name, value in values.items()
    }
    said = {
        "processes": machine.processes,
        "resumed_at": outcome.resumed_at,
        "state": bytes_of,
        "labels": [batch.labels.tolist() for batch in first],
        "draw": torch.rand(()).item(),
    }
    (folder / f"rank-{machine.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
