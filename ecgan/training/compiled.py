r"""Both networks by torch.compile; where that fails, a message and the plain networks (09)."""

from collections.abc import Callable

import torch
from torch import nn

from ecgan.training.trainer import Trainer

ADVICE = "the run goes on with slower steps, but the same numbers"


def reason_of(error: Exception) -> str:
    r"""The first line of what an error says, and the next where it ends in ":"; or its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[:2] if lines and lines[0].endswith(":") else lines[:1]
    return " ".join(said) or type(error).__name__


def ways(device: torch.device) -> list[str]:
    r"""Modes of torch.compile, the quickest first: CUDA graphs need a CUDA device."""
    return ["reduce-overhead", "default"] if device.type == "cuda" else ["default"]


class Compiled:
    r"""A network's ``forward`` by torch.compile in the first of ``modes`` that works here.

    Nothing is compiled before the first call, as torch.compile has it. A failure is told by
    ``tell``, and the same inputs go through the next mode, in the end through the plain forward.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        modes: list[str],
        tell: Callable[[str], None],
        backend: str = "inductor",
    ):
        self.name, self.plain, self.tell = type(network).__name__, network.forward, tell
        self.modes, self.backend, self.quick = list(modes), backend, None

    def __call__(self, *inputs):
        while self.modes:
            try:
                if self.modes[0] == "reduce-overhead" and self.name == "Generator":
                    torch.compiler.cudagraph_mark_step_begin()  # it runs first in every update
                if self.quick is None:
                    mode = {"mode": self.modes[0]} if self.backend == "inductor" else {}
                    self.quick = torch.compile(self.plain, backend=self.backend, **mode)
                return self.quick(*inputs)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # a compiler fails in as many ways as there are compilers
                self._give_up(error)
        return self.plain(*inputs)

    def _give_up(self, error: Exception) -> None:
        failed, self.quick = self.modes.pop(0), None
        then = f"trying {self.modes[0]}" if self.modes else ADVICE
        self.tell(f"note: compiling the {self.name} ({failed}) failed ({reason_of(error)}); {then}")


def compile_networks(
    trainer: Trainer, *, modes: list[str] | None = None, backend: str = "inductor"
) -> None:
    r"""Have generator and discriminator computed by torch.compile; keys and numbers stay.

    ``modes`` are those of :func:`ways` unless given.

    An update goes twice through the discriminator's graph, once for each network's loss: so its
    backward pass must not reuse the memory of what it was given.
    """
    import torch._functorch.config as functorch

    functorch.donated_buffer = False
    machine = trainer.machine
    modes, tell = modes or ways(machine.device), machine.tell
    for network in (trainer.generator, trainer.discriminator):
        network.forward = Compiled(network, modes=modes, tell=tell, backend=backend)
