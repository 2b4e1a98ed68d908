r"""How a call of fit ended (chapter 09)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ecgan.method.generator import Generator
from ecgan.training.loop import History
from ecgan.training.trainer import Trainer


@dataclass(kw_only=True)
class Outcome:
    r"""How a call of :func:`ecgan.training.fit` ended.

    ``already`` is true where all steps had been done before the call, and nothing was. ``result``
    is the file of the ``generator`` to use; both are None where the user stopped while its batch
    norm was being recalibrated: the checkpoint was safe by then. ``complaints`` say what was wrong
    with checkpoints that could not be used.
    """

    generator: Generator | None
    trainer: Trainer
    history: History
    step: int
    ended: Literal["finished", "out of time", "stopped"]
    result: Path | None = None
    resumed_at: int = 0
    already: bool = False
    complaints: list[str] = field(default_factory=list)
