r"""The loop: step after step, with a bar, a log and an end (chapter 09)."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from ecgan.config import Number
from ecgan.files.progress import quiet
from ecgan.method.batch import Batch
from ecgan.training.trainer import Trainer


@dataclass(kw_only=True)
class History:
    r"""What happened, a row a logged step: step, seconds, every term weighted, the
    discriminator's under "discriminator_...".
    """

    rows: list[dict[str, float]] = field(default_factory=list)


def images_per_step(trainer: Trainer) -> int:
    r"""The images that one update sees, in all processes together."""
    settings = trainer.config.training
    return settings.batch_size * settings.accumulate * trainer.machine.processes


def train(
    trainer: Trainer,
    batches: Iterator[Batch] | Iterator[Sequence[Batch]],
    *,
    log_every: int = 50,
    seconds: Number | None = None,
    after_step: Callable[[int, Trainer], None] | None = None,
    stop: Callable[[], bool] | None = None,
    history: History | None = None,
    done: int = 0,
) -> History:
    r"""Run the config's steps, or until ``seconds`` have passed; returns the logged rows.

    ``after_step`` is called with each step's number and the trainer, to look or to save. A run is
    taken up after ``done`` steps with the ``history`` so far; it ends early where ``stop`` says so.
    """
    history = history or History()
    steps, machine = trainer.config.training.steps, trainer.machine
    before = history.rows[-1]["seconds"] if history.rows else 0.0
    numbers = range(done + 1, steps + 1)
    bar = tqdm(
        numbers, "training", initial=done, total=steps, disable=quiet() or not machine.is_main
    )
    trainer.generator.train()
    start = time.perf_counter()
    for step, batch in zip(bar, batches, strict=False):
        values = trainer.step(batch)
        elapsed = time.perf_counter() - start
        late = (seconds is not None and elapsed >= seconds) or (stop is not None and stop())
        ending = machine.any(late)
        if step % log_every == 0 or step in (1, steps) or ending:
            history.rows.append({"step": step, "seconds": before + elapsed} | values)
            _show(bar, values, images_per_step(trainer))
        if after_step is not None:
            after_step(step, trainer)
        if ending:
            break
    trainer.trained.eval()
    return history


def _show(bar: tqdm, row: dict[str, float], images: int) -> None:
    judged = sum(value for name, value in row.items() if name.startswith("discriminator_"))
    rate = images * (bar.format_dict["rate"] or 0)
    shown = {"g": sum(row.values()) - judged, "d": judged, "images a second": rate}
    bar.set_postfix({name: f"{value:.2f}" for name, value in shown.items()})
