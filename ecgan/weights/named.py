r"""Networks by the name that a user gives: one that ships, a file, or the folder of a run."""

from pathlib import Path

from torch import nn

from ecgan.method.generator import Generator
from ecgan.method.layers import frozen
from ecgan.weights.checkpoint import WEIGHTS, CheckpointError, load, notes

RESULT = "generator.safetensors"  # in the folder of a run
ENDING = ".safetensors"
SEGFORMER = "segformer:"


def crop_scale(name: str) -> tuple[float, float] | None:
    r"""The ``data.scale`` of the crops that a model was trained on; None for whole pictures."""
    scale = notes(find_model(name)).get("config", {}).get("data", {}).get("scale")
    return scale and tuple(scale)


def find_model(name: str) -> Path:
    r"""The file of a model: a shipped one's name, a .safetensors file, or the folder of a run.

    Raises :class:`CheckpointError`, which says what stands there instead.
    """
    path = Path(name)
    if path.is_dir():
        return _result(path)
    if path.suffix == ENDING:
        return path
    shipped = sorted(file.stem for file in WEIGHTS.glob(f"*{ENDING}"))
    if name in shipped:
        return WEIGHTS / f"{name}{ENDING}"
    if path.is_file() or path.suffix in (".pth", ".pt", ".ckpt", ".bin"):
        raise CheckpointError(
            f"{name} is no {ENDING} file; name one that training wrote, or the folder of a run. "
            f"The authors' .pth files are read in Python, by ecgan.weights.released.load_released"
        )
    if len(path.parts) > 1:
        raise CheckpointError(
            f"there is no {name}: name the folder of a run, a {ENDING} file, or one of the models "
            f"that ship: {', '.join(shipped)}"
        )
    raise CheckpointError(
        f"no shipped model {name!r}; there are: {', '.join(shipped)}; or name a {ENDING} file, or "
        f"the folder of a run"
    )


def _result(folder: Path) -> Path:
    if (folder / RESULT).is_file():
        return folder / RESULT
    above = folder.resolve().parents
    for run, inside in ((above[0], folder.resolve()), (above[1], above[0])):
        if inside.name == "checkpoints":
            raise CheckpointError(
                f"{folder} holds checkpoints, from which a run goes on, not a network to use: name "
                f"the run's folder, {run}"
            )
    if (folder / "run.json").is_file():
        raise CheckpointError(
            f"{folder} holds no {RESULT} yet: the run has not come to its first checkpoint; let it "
            f"go on with the command that began it"
        )
    raise CheckpointError(
        f"{folder} holds no {RESULT} yet, nor is it the folder of a run: name one that ecgan train "
        f"wrote with --out, or a {ENDING} file"
    )


def find_generator(name: str) -> Generator:
    r"""The generator in :func:`find_model`'s file. Raises :class:`CheckpointError`."""
    network = load(find_model(name))
    if not isinstance(network, Generator):
        raise CheckpointError(f"{name} is a {type(network).__name__}, not a generator; try toy")
    return network


def find_segmenter(name: str, *, classes: int) -> nn.Module:
    r"""A frozen segmenter: as :func:`find_model` takes it, or "segformer:" and a hub's name.

    Raises :class:`CheckpointError` where it knows another number of classes.
    """
    if name.startswith(SEGFORMER):
        from ecgan.readers.segformer import SegFormer

        network = SegFormer.from_pretrained(name.removeprefix(SEGFORMER))
        known = len(network.label_ids)
    else:
        network = load(find_model(name))
        known = getattr(network, "config", {})
        known = known.get("classes") if isinstance(known, dict) else None
    if known != classes:
        what = f"knows {known} classes" if known else f"is a {type(network).__name__}"
        raise CheckpointError(
            f"segmenter {name} {what}; a segmenter of {classes} classes is needed: make one with "
            f"ecgan segmenter"
        )
    return frozen(network)
