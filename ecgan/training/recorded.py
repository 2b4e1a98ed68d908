r"""A whole update as one CUDA graph: recorded once, then replayed with new inputs (chapter 09).

An update is some thousands of small kernels. Started one by one, by Python, they keep a GPU waiting
for most of the time; a graph starts them all at once. The numbers are the same.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ecgan.method.batch import Batch
from ecgan.training.step import Numbers, update
from ecgan.training.trainer import Trainer

WARM_UP = 3  # updates before the recording: what is made at first use must not be in the graph
ADVICE = "the run goes on with slower steps, but the same numbers"


def can_record(trainer: Trainer) -> bool:
    r"""Whether an update can be recorded: on one CUDA device, without a gradient scaler."""
    machine = trainer.machine
    return (
        machine.device.type == "cuda"
        and machine.processes == 1
        and not machine.scaler.is_enabled()
    )


def record_updates(trainer: Trainer) -> bool:
    r"""Have the trainer's updates recorded and replayed where that is possible; whether it is."""
    if can_record(trainer):
        trainer.update = Recorded(trainer)
        return True
    return False


@contextmanager
def no_garbage_collected() -> Iterator[None]:
    r"""What is freed while a graph is recorded, an older run's memory for instance, spoils it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Recorded:
    r"""The updates of a trainer: the first ones as they are written, then one graph, replayed.

    Batches of another shape than the recorded ones, and a recording that fails, are done as
    written; the failure is told.
    """

    def __init__(self, trainer: Trainer):
        self.trainer, self.done, self.graph = trainer, 0, None
        self.shapes: list[torch.Size] | None = None
        self.stream = torch.cuda.Stream(trainer.machine.device)
        self.rates: list[Tensor] = []

    def __call__(self, batches: Sequence[Batch]) -> Numbers:
        shapes = [part.shape for batch in batches for part in batch]
        if self.graph is None and self.done == WARM_UP and self.shapes == shapes:
            self._record(batches)
        if self.graph is None or self.shapes != shapes:
            return self._as_written(batches, shapes)
        return self._replay(batches)

    def _as_written(self, batches: Sequence[Batch], shapes: list[torch.Size]) -> Numbers:
        if self.graph is None and self.done < WARM_UP:
            self.done, self.shapes = self.done + 1 if shapes == self.shapes else 1, shapes
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):  # one stream for all: gradients remember theirs
            found = update(self.trainer, batches)
        current.wait_stream(self.stream)
        return found

    def _record(self, batches: Sequence[Batch]) -> None:
        self.inputs = [Batch(*(part.clone() for part in batch)) for batch in batches]
        graph, random = torch.cuda.CUDAGraph(), self._random_numbers()
        before = random.clone_state()
        try:
            with (
                self._rates_on_the_device(),
                no_garbage_collected(),
                torch.cuda.graph(graph, stream=self.stream),
            ):
                self.numbers = update(self.trainer, self.inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # what may not be recorded differs from release to release
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            self.trainer.machine.tell(f"note: recording an update failed ({reason}); {ADVICE}")
            random.graphsafe_set_state(before)  # they would wait for the recording's end
            self.done += 1  # not tried again
            return
        self.graph = graph

    def _replay(self, batches: Sequence[Batch]) -> Numbers:
        for own, batch in zip(self.inputs, batches, strict=True):
            for place, part in zip(own, batch, strict=True):
                place.copy_(part)
        for rate, group in zip(self.rates, self._groups(), strict=True):
            rate.fill_(group["lr"])
        self.graph.replay()
        return self.numbers

    def _random_numbers(self) -> torch.Generator:
        device = self.trainer.machine.device
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]

    def _groups(self) -> list[dict]:
        return [group for optimiser in self.trainer.optimisers for group in optimiser.param_groups]

    @contextmanager
    def _rates_on_the_device(self) -> Iterator[None]:
        r"""While recording: a graph reads the learning rates where they can be changed later."""
        groups, device = self._groups(), self.trainer.machine.device
        before = [(group["lr"], group["capturable"]) for group in groups]
        self.rates = [torch.full((), float(rate), device=device) for rate, _ in before]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"], group["capturable"] = rate, True
        try:
            yield
        finally:
            for group, (rate, capturable) in zip(groups, before, strict=True):
                group["lr"], group["capturable"] = rate, capturable
