r"""What a run does besides its steps, and how to tell two configs apart (chapter 09)."""

import json
from dataclasses import dataclass

from ecgan.config import Config, ConfigError, Edges, Number

DISCRIMINATOR_FIRST = 500  # steps that a trained generator waits for a new discriminator


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    r"""What a run does besides its steps; nothing here changes the networks that come out.

    ``minutes`` is a time budget: after so many the run writes a checkpoint and ends, to be taken
    up later. ``log_every``, ``checkpoint_every``, ``sample_every`` and ``keep_every`` are in steps,
    0 for never; the last step is always logged and saved. A checkpoint gives way to later ones;
    ``keep_every`` writes the generator to use, batch norm not yet recalibrated, to kept/, where it
    stays. ``edges`` are computed for each batch, or read from
    the data set's edges/. ``workers`` are processes that read files. ``cpu`` stays off a GPU.
    ``recompute`` saves memory: SPADE's gamma and beta are made again for the gradients, not kept.
    ``compile`` has torch.compile make both networks' kernels: a slow start, then quicker steps.
    Without it, on one GPU, ``graph`` has the whole update recorded as a CUDA graph, then replayed.
    """

    minutes: Number | None = None
    log_every: int = 50
    checkpoint_every: int = 500
    sample_every: int = 500
    keep_every: int = 0
    tensorboard: bool = False
    workers: int = 0
    edges: Edges = "compute"
    cpu: bool = False
    recompute: bool = False
    compile: bool = False
    graph: bool = True

    def __post_init__(self):
        for name in ("log_every", "checkpoint_every", "sample_every", "keep_every", "workers"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if self.minutes is not None and self.minutes < 0:
            raise ConfigError(f"minutes is {self.minutes}; a budget is 0 or more, or None")


def as_json(config: Config) -> dict:
    r"""The config as it looks after a journey through JSON."""
    return json.loads(json.dumps(config.to_dict()))


def differences(
    old: dict, new: dict, *, words: tuple[str, str] = ("was", "is"), where: str = ""
) -> list[str]:
    r"""Fields in which two tables differ, such as "training.steps: was 100, is 200"."""
    found = []
    for name in {**old, **new}:
        before, now = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            found += differences(before, now, words=words, where=f"{where}{name}.")
        elif before != now:
            found.append(f"{where}{name}: {words[0]} {before}, {words[1]} {now}")
    return found
