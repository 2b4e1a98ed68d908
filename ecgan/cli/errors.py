r"""Errors as sentences: what every command says where it cannot go on."""

import sys
from collections.abc import Callable

from ecgan.cli.words import spoken
from ecgan.errors import EcganError

REFUSED, INTERRUPTED = 2, 130  # exit codes
INTERRUPTION = "stopped by Ctrl-C; files that were finished stay as they are"
NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
)
# What asks for less, in a command that has it.
LESS = {
    "train": "lower --batch-size (with --accumulate the gradients of several add up), make the "
    "pictures smaller with --model.height and --model.width, or say --recompute",
    "segmenter": "lower --batch-size or --width",
    "evaluate": "name fewer --protocols at once, or stay off the GPU with --cpu",
    "synthesize": "close other programs, or take a smaller model",
    "export": "close other programs, or take a smaller model",
}
ELSE = "close other programs, or use a machine with more"


class CommandError(EcganError):
    r"""Arguments that can be read, but do not fit together."""


def _no_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in told for phrase in NO_MEMORY)


def sentence(error: BaseException, name: str, command: Callable | None) -> str | None:
    r"""What the user of the command ``name`` is told; None for a fault of the program itself."""
    if isinstance(error, EcganError):
        return spoken(str(error), command)
    if _no_memory(error):
        return f"out of memory; {LESS.get(name, ELSE)}"
    if isinstance(error, OSError):
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{place}"
    return None


def tell(message: str) -> None:
    r"""One line on the error stream."""
    print(f"ecgan: {' '.join(message.split())}", file=sys.stderr)
