r"""Training: one step, the loop, and runs that survive being killed (chapter 09)."""

from ecgan.data.source import toy_batches
from ecgan.files.whole import RunError
from ecgan.training.loop import History, train
from ecgan.training.machine import Machine, Processes
from ecgan.training.outcome import Outcome
from ecgan.training.run import fit
from ecgan.training.settings import RunSettings
from ecgan.training.trainer import Trainer, linear_decay

__all__ = [
    "History",
    "Machine",
    "Outcome",
    "Processes",
    "RunError",
    "RunSettings",
    "Trainer",
    "fit",
    "linear_decay",
    "toy_batches",
    "train",
]
