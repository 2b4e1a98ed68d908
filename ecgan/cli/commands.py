r"""What the commands of the command line do, callable from a notebook as well."""

from pathlib import Path

from ecgan.errors import EcganError
from ecgan.method.generator import Generator
from ecgan.teaching.toy_models import SEGMENTERS, make_generator, make_segmenter, toy_variants
from ecgan.training.outcome import RESULT
from ecgan.weights.checkpoint import WEIGHTS, load, shipped


class CommandError(EcganError):
    r"""Arguments that can be read, but do not fit together."""


def model_file(model: str) -> Path:
    r"""The file of a model: a shipped one's name, a .safetensors file, or the folder of a run."""
    if (Path(model) / RESULT).is_file():
        return Path(model) / RESULT
    return Path(model) if model.endswith(".safetensors") else WEIGHTS / f"{model}.safetensors"


def load_generator(model: str) -> Generator:
    r"""The generator in :func:`model_file`."""
    file = model_file(model)
    network = shipped(model) if file.parent == WEIGHTS else load(file)
    if not isinstance(network, Generator):
        raise CommandError(f"{model} is a {type(network).__name__}, not a generator; try toy")
    return network


def make_toy_models(names: list[str], *, folder: Path | None = None, steps: int | None = None):
    r"""Train the toy models of these names, or all; segmenters first, as generators need one."""
    known = [*SEGMENTERS, *toy_variants()]
    for name in names:
        if name not in known:
            raise CommandError(f"no toy model {name!r}; there are {', '.join(known)}")
    folder = WEIGHTS if folder is None else folder
    for name in [name for name in known if name in names or not names]:
        print(f"making {name}", flush=True)
        if name in SEGMENTERS:
            make_segmenter(name, folder=folder)
        else:
            make_generator(name, folder=folder, steps=steps)
        print(f"wrote {folder / name}.safetensors", flush=True)
