r"""Training: one step, the loop, and runs that survive being killed (chapter 09)."""

from ecgan.lazy import face

FACE = {
    "History": "ecgan.training.loop",
    "Machine": "ecgan.training.machine",
    "Outcome": "ecgan.training.outcome",
    "Processes": "ecgan.training.machine",
    "RunError": "ecgan.files.whole",
    "RunSettings": "ecgan.training.settings",
    "Start": "ecgan.training.start",
    "Trainer": "ecgan.training.trainer",
    "fit": "ecgan.training.run",
    "linear_decay": "ecgan.training.trainer",
    "toy_batches": "ecgan.data.source",
    "train": "ecgan.training.loop",
}
__all__ = [*FACE]
__getattr__ = face(__name__, FACE)
