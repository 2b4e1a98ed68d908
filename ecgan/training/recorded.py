r"""A whole update as one CUDA graph: recorded once, then replayed with new inputs (chapter 09).

An update is some thousands of small kernels. Started one by one, by Python, they keep a GPU waiting
for most of the time; a graph starts them all at once. The numbers are the same.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ecgan.method.batch import Batch
from ecgan.training.compiled import ADVICE, reason_of
from ecgan.training.step import Numbers, update
from ecgan.training.trainer import Trainer

WARM_UP = 3  # updates before the recording: what is made at first use must not be in the graph


def can_record(trainer: Trainer) -> bool:
    r"""Whether an update can be recorded: on one CUDA device, without a gradient scaler."""
    machine = trainer.machine
    alone = machine.device.type == "cuda" and machine.processes == 1
    return alone and not machine.scaler.is_enabled()


def record_updates(trainer: Trainer) -> bool:
    r"""Have the trainer's updates recorded and replayed where that is possible; whether it is."""
    possible = can_record(trainer)
    if possible:
        trainer.update = Recorded(trainer, tape=Tape(trainer.machine.device))
    return possible


class Tape:
    r"""A CUDA graph of a function that takes nothing and returns :data:`Numbers`."""

    def __init__(self, device: torch.device):
        self.device, self.stream = device, torch.cuda.Stream(device)

    def warm_up(self, work: Callable[[], Numbers]) -> Numbers:
        r"""Do the work on the stream of the recording: gradients remember theirs."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            found = work()
        current.wait_stream(self.stream)
        return found

    def record(self, work: Callable[[], Numbers]) -> None:
        r"""Record the work, which is not done. Raises whatever keeps it from being recorded."""
        graph, index = torch.cuda.CUDAGraph(), self.device.index
        here = torch.cuda.current_device() if index is None else index
        random = torch.cuda.default_generators[here]
        before = random.clone_state()
        try:
            # What is freed meanwhile, an older run's memory for instance, would spoil the graph.
            with no_garbage_collected(), torch.cuda.graph(graph, stream=self.stream):
                self.numbers = work()
        except BaseException:
            random.graphsafe_set_state(before)  # it would wait for the end of the recording
            raise
        self.graph = graph

    def replay(self) -> Numbers:
        r"""Do the recorded work; the values lie where the last ones lay."""
        self.graph.replay()
        return self.numbers


@contextmanager
def no_garbage_collected() -> Iterator[None]:
    r"""Python's collector has run before, and waits until this is over."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Recorded:
    r"""The updates of a trainer: the first ones as they are written, then from the tape.

    Batches of another shape than the recorded ones, and all where a recording has failed, are done
    as they are written; the failure is told.
    """

    def __init__(self, trainer: Trainer, *, tape: Tape):
        self.trainer, self.tape = trainer, tape
        self.waiting: int | None = WARM_UP  # updates until the recording; None for never more
        self.shapes: list[torch.Size] | None = None
        self.inputs: list[Batch] | None = None
        self.rates: list[Tensor] = []

    def __call__(self, batches: Sequence[Batch]) -> Numbers:
        shapes = [part.shape for batch in batches for part in batch]
        if self.waiting is not None:
            self.waiting = self.waiting if shapes == self.shapes else WARM_UP
            self.shapes = shapes
            if self.waiting == 0:
                self._record(batches)
            else:
                self.waiting -= 1
        if self.inputs is None or shapes != self.shapes:
            return self.tape.warm_up(lambda: update(self.trainer, batches))
        for own, batch in zip(self.inputs, batches, strict=True):
            for place, part in zip(own, batch, strict=True):
                place.copy_(part)
        for rate, group in zip(self.rates, self._groups(), strict=True):
            rate.fill_(group["lr"])
        return self.tape.replay()

    def _record(self, batches: Sequence[Batch]) -> None:
        inputs = [Batch(*(part.clone() for part in batch)) for batch in batches]
        self.waiting = None
        try:
            with self._rates_on_the_device():
                self.tape.record(lambda: update(self.trainer, inputs))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # what may not be recorded differs from release to release
            reason = reason_of(error)
            self.trainer.machine.tell(f"note: recording an update failed ({reason}); {ADVICE}")
        else:
            self.inputs = inputs

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
