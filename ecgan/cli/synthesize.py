r"""``ecgan synthesize``: pictures of label files."""

from pathlib import Path

from tqdm import tqdm
from tyro.conf import Positional

from ecgan.cli import Out
from ecgan.cli.errors import CommandError
from ecgan.files.progress import quiet


def synthesize(
    layouts: Positional[tuple[Path, ...]],
    *,
    out: Out,
    model: str = "toy",
    instances: Path | None = None,
) -> None:
    r"""Make pictures of layouts: NAME_final.png, NAME_first.png and NAME_edge.png for each.

    Args:
        layouts: Label PNGs (grey ids or a palette), or folders of them, each resized to the model's
            size; no photograph is needed.
        out: The folder to write, made where needed.
        model: A model that comes with the package, such as toy, a .safetensors file, or the folder
            of a run.
        instances: A folder of instance maps, named as the layouts, for models that want them.
    """
    written = synthesize_files(list(layouts), out, model=model, instances=instances)
    print(f"{len(written)} pictures in {out}")


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


def synthesize_files(
    layouts: list[Path], out: Path, *, model: str = "toy", instances: Path | None = None
) -> list[Path]:
    r"""Write NAME_edge.png, NAME_first.png and NAME_final.png into ``out`` for each layout.

    ``instances`` is a folder of maps with the layouts' file names. Returns the files written.
    """
    from ecgan.method.layouts import LayoutError
    from ecgan.synthesis import read_layout, save_png
    from ecgan.synthesis import synthesize as make
    from ecgan.weights.named import find_generator

    files, generator, written = layout_files(layouts), find_generator(model), []
    size = {"height": generator.config.height, "width": generator.config.width}
    for name, path in tqdm(files.items(), "layouts", disable=quiet()):
        labels = read_layout(path, **size)
        ids = None if instances is None else read_layout(instances / path.name, **size)
        try:
            made = make(generator, labels, ids)
        except LayoutError as error:
            raise CommandError(f"{path}: {error}") from error
        for kind, picture in {**made.pictures(), "final": made.final}.items():
            written.append(out / f"{name}_{kind}.png")
            save_png(written[-1], picture[0])
    return written
