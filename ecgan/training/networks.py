r"""The networks that a run leaves in its folder: the one to use, and those kept on the way (09)."""

from pathlib import Path

from ecgan.config import Config
from ecgan.data.folders.scenes import numbering_of
from ecgan.files.whole import write_file
from ecgan.method.generator import Generator
from ecgan.weights import checkpoint


def write_network(
    path: Path, generator: Generator, *, config: Config, step: int, data: str | Path | None
) -> None:
    r"""Write a generator whole or not at all; its notes say how and how long it was trained.

    ``data`` is the folder it learnt from, None for the toy world. Raises
    :class:`ecgan.files.whole.RunError` where the file cannot be written.
    """
    notes = {"config": config.to_dict(), "step": step}
    notes["numbering"] = numbering_of(data).as_notes()
    write_file(path, checkpoint.as_bytes(generator, notes=notes))


def kept_path(folder: Path, step: int) -> Path:
    r"""Where a run keeps the generator of a step for good, its batch norm not recalibrated."""
    return folder / "kept" / f"{step:08d}.safetensors"
