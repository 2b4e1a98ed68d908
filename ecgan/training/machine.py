r"""Where a run computes: device, precision, and how many processes share the work (chapter 09)."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from einops import pack, unpack
from torch import Tensor, nn

from ecgan.config import Precision
from ecgan.errors import EcganError
from ecgan.training.together import stacked

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
SEEDS_APART = 10_007  # between the seeds of two processes


class MachineError(EcganError):
    r"""A device or a library that is not there; the message says how to get it."""


@contextmanager
def fixed_order() -> Iterator[None]:
    r"""Gradients of chosen pixels are added up in a fixed order, however many threads do it."""
    memory, before = torch.utils.deterministic, torch.are_deterministic_algorithms_enabled()
    filled, memory.fill_uninitialized_memory = memory.fill_uninitialized_memory, False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        memory.fill_uninitialized_memory = filled


class Machine:
    r"""One process on one device, the CPU unless told otherwise. ``precision`` as in the config.

    In "bf16" and "fp16" most of the forward pass is computed in 16 bits; weights and sums stay in
    32. "fp16" needs its gradients scaled, or the small ones vanish: ``scaler`` does it.
    """

    rank = 0
    processes = 1

    def __init__(self, *, precision: Precision = "fp32", device: torch.device | str = "cpu"):
        self.precision, self.device = precision, torch.device(device)
        # The CPU's scaler works alike; a device without one of its own takes it too.
        kind = self.device.type if self.device.type in ("cuda", "cpu") else "cpu"
        self.scaler = torch.amp.GradScaler(kind, enabled=precision == "fp16")
        if self.device.type == "cuda":
            for settings in (torch.backends.cuda.matmul, torch.backends.cudnn):
                settings.allow_tf32 = precision != "fp32"

    @property
    def is_main(self) -> bool:
        r"""True in the main process: the one that writes files."""
        return self.rank == 0

    @property
    def name(self) -> str:
        r"""The device in words, for rows of results."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return self.device.type

    def tell(self, text: str) -> None:
        r"""A sentence for whoever waits, from the main process."""
        if self.is_main:
            print(text, file=sys.stderr, flush=True)

    def autocast(self) -> AbstractContextManager:
        r"""The context of a forward pass."""
        if self.precision not in HALVES:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=HALVES[self.precision])

    def repeatable(self) -> AbstractContextManager:
        r"""The context of an update: on a CPU it comes out the same, to the bit, each time."""
        return fixed_order() if self.device.type == "cpu" else nullcontext()

    def place(self, network: nn.Module) -> nn.Module:
        r"""The network on this device, its batch norm synchronised where several GPUs share it."""
        if self.processes > 1 and self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return network.to(self.device)

    def seed_by_rank(self, seed: int) -> None:
        r"""From here on each process draws its own random numbers; torch's stay in the main one."""
        own = seed + SEEDS_APART * self.rank
        random.seed(own)
        np.random.seed(own)  # noqa: NPY002
        if self.rank:
            torch.manual_seed(own)

    def average(self, tensors: list[Tensor]) -> None:
        r"""Put the mean over all processes into every tensor."""

    def average_statistics(self, network: nn.Module) -> None:
        r"""The same running mean and variance in every process, where batch norm did not sync."""
        self.average([b for name, b in network.named_buffers() if ".running_" in name])

    def any(self, flag: bool) -> bool:
        r"""True in all processes where it is true in one."""
        return flag

    def gather(self, thing: object) -> list:
        r"""Every process's ``thing``, by rank."""
        return [thing]

    def stack(self, own: Tensor) -> Tensor:
        r"""Every process's tensor, by rank, along the first axis; gradients find their way back."""
        return own

    def wait(self) -> None:
        r"""Until all processes are here."""


class Processes(Machine):
    r"""What ``accelerate launch`` set up: the GPU if there is one, several processes if told.

    Run as a plain command it is one process on the best device. ``cpu`` stays off the GPU. The
    gradients are averaged once an update, by hand: both networks' come from one graph and by
    ``backward(inputs=...)``, which DistributedDataParallel is not made for.
    """

    def __init__(self, *, precision: Precision = "fp32", cpu: bool = False):
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise MachineError(
                "accelerate is not installed; install it with: pip install 'ecgan[train]'"
            ) from error
        self.state = PartialState(cpu=cpu)
        self.rank, self.processes = self.state.process_index, self.state.num_processes
        super().__init__(precision=precision, device=self.state.device)

    def average(self, tensors: list[Tensor]) -> None:
        if self.processes == 1 or not tensors:
            return
        from accelerate.utils import reduce

        message, shapes = pack(tensors, "*")
        parts = unpack(reduce(message, "mean"), shapes, "*")
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part)

    def any(self, flag: bool) -> bool:
        if self.processes == 1:
            return flag
        from accelerate.utils import reduce

        return bool(reduce(torch.tensor(float(flag), device=self.device), "sum") > 0)

    def gather(self, thing: object) -> list:
        if self.processes == 1:
            return [thing]
        from accelerate.utils import gather_object

        return gather_object([thing])

    def stack(self, own: Tensor) -> Tensor:
        return own if self.processes == 1 else stacked(own)

    def wait(self) -> None:
        self.state.wait_for_everyone()


def best_device(*, cpu: bool = False) -> torch.device:
    r"""The GPU if there is one; ``cpu`` stays off it."""
    return torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")


def find_machine(*, precision: Precision = "fp32", cpu: bool = False) -> Machine:
    r"""Through Accelerate where it is installed; without it, one process on the best device."""
    try:
        return Processes(precision=precision, cpu=cpu)
    except MachineError:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise
    return Machine(precision=precision, device=best_device(cpu=cpu))
