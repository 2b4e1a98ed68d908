r"""What a run leaves to look at: a JSON line a logged step, sheets of samples, TensorBoard."""

import io
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from ecgan.data import toy
from ecgan.files import records
from ecgan.files.whole import RunError, explained, write_file
from ecgan.method.batch import Batch
from ecgan.method.generator import Generator
from ecgan.method.layouts import colorize
from ecgan.synthesis import to_bytes
from ecgan.training.machine import MachineError


class Log:
    r"""The rows of a run in ``folder``/log.jsonl, and in TensorBoard's files if asked for."""

    def __init__(self, *, folder: Path, tensorboard: bool = False):
        self.path = folder / "log.jsonl"
        self._board_folder = folder / "tensorboard" if tensorboard else None
        self._board = None

    def resume(self, step: int) -> list[dict]:
        r"""The rows up to ``step``; what a killed run wrote after its last checkpoint goes."""
        try:
            rows = [row for row in records.read(self.path) if row["step"] <= step]
        except (OSError, records.RecordError) as error:
            raise RunError(f"the run's log cannot be read: {error}") from error
        if self.path.exists():
            write_file(self.path, "".join(map(records.as_line, rows)).encode())
        if self._board_folder is not None:
            self._board = _board(self._board_folder, step + 1)
        return rows

    def add(self, row: dict) -> None:
        r"""Write one row; raises :class:`RunError` where the disk is full."""
        try:
            records.append(self.path, [row])
        except OSError as error:
            raise explained(error, self.path) from error
        if self._board is not None:
            for name, value in row.items():
                if name != "step" and value is not None:
                    self._board.add_scalar(name, value, row["step"])
            self._board.flush()


def _board(folder: Path, purge_step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MachineError(
            "TensorBoard is not installed; install it with: pip install tensorboard, or leave "
            "--tensorboard out: log.jsonl holds the same numbers"
        ) from error
    return SummaryWriter(folder, purge_step=purge_step)


def palette(classes: int) -> UInt8[Tensor, "k 3"]:
    r"""The toy world's colours for its classes; for others, colours far apart by their number."""
    if classes == len(toy.CLASSES):
        return torch.from_numpy(toy.PALETTE)
    steps = torch.tensor([97, 157, 59])
    return ((rearrange(torch.arange(1, classes + 1), "k -> k 1") * steps) % 223 + 24).byte()


@torch.no_grad()
def sheet(generator: Generator, batch: Batch) -> UInt8[Tensor, "h w 3"]:
    r"""A row a layout: the layout, what the generator makes of it, the real image."""
    was_training = generator.training
    made = generator.eval()(batch.semantics).pictures()
    generator.train(was_training)
    colours = colorize(batch.labels.cpu(), palette(generator.config.classes))
    columns = [rearrange(colours, "b h w c -> b c h w")]
    columns += [_levels(pictures) for pictures in (*made.values(), batch.images)]
    return rearrange(columns, "columns b c h w -> (b h) (columns w) c").contiguous()


def _levels(pictures: Float[Tensor, "b 3 h w"]) -> UInt8[Tensor, "b 3 h w"]:
    return torch.stack(
        [rearrange(torch.from_numpy(to_bytes(p)), "h w c -> c h w") for p in pictures]
    )


def write_sheet(path: Path, generator: Generator, batch: Batch) -> None:
    r"""Write :func:`sheet` as a PNG that is whole or not there."""
    file = io.BytesIO()
    Image.fromarray(sheet(generator, batch).numpy()).save(file, format="PNG")
    write_file(path, file.getvalue())
