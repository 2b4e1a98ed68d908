r"""What the commands of the command line do, callable from a notebook as well."""

from pathlib import Path

from tqdm import tqdm

from ecgan.files.progress import quiet
from ecgan.method.generator import Generator
from ecgan.method.layouts import LayoutError
from ecgan.synthesis import read_layout, save_png, synthesize
from ecgan.teaching.toy_models import SEGMENTERS, make_generator, make_segmenter, toy_variants
from ecgan.training.outcome import RESULT
from ecgan.weights.checkpoint import WEIGHTS, load, shipped


class CommandError(ValueError):
    r"""Arguments that can be read, but do not fit together."""


def layout_files(paths: list[Path]) -> dict[str, Path]:
    r"""Label PNGs by name, those of folders among them; no two may share a name."""
    files: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise CommandError(f"there is no {path}: name label PNGs, or folders that hold some")
        found = sorted(path.glob("*.png")) if path.is_dir() else [path]
        if not found:
            raise CommandError(f"no layout is in {path}: it holds no file that ends with .png")
        for file in found:
            if file.stem in files:
                raise CommandError(
                    f"{files[file.stem]} and {file} would both become {file.stem}_final.png; "
                    f"write them into folders of their own by two commands"
                )
            files[file.stem] = file
    if not files:
        raise CommandError("no layout was given: name label PNGs, or folders that hold some")
    return files


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


def synthesize_files(
    layouts: list[Path], out: Path, *, model: str = "toy", instances: Path | None = None
) -> list[Path]:
    r"""Write NAME_edge.png, NAME_first.png and NAME_final.png into ``out`` for each layout.

    ``instances`` is a folder of maps with the layouts' file names. Returns the files written.
    """
    files, generator, written = layout_files(layouts), load_generator(model), []
    size = {"height": generator.config.height, "width": generator.config.width}
    for name, path in tqdm(files.items(), "layouts", disable=quiet()):
        labels = read_layout(path, **size)
        ids = None if instances is None else read_layout(instances / path.name, **size)
        try:
            made = synthesize(generator, labels, ids)
        except LayoutError as error:
            raise CommandError(f"{path}: {error}") from error
        for kind, picture in {**made.pictures(), "final": made.final}.items():
            written.append(out / f"{name}_{kind}.png")
            save_png(written[-1], picture[0])
    return written


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
