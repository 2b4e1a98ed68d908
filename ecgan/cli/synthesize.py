r"""``ecgan synthesize``: pictures of label files."""

import sys
from pathlib import Path
from typing import Literal, NamedTuple

from tyro.conf import Positional

from ecgan.cli import Out
from ecgan.cli.errors import CommandError

NumberingName = Literal["folder", "facades", "cityscapes", "ade20k", "coco_stuff"]
SHOWN = 3  # files that are said to be resized


class Painted(NamedTuple):
    r"""Files written, what was done to sizes, and what was wrong with which label file."""

    written: list[Path]
    said: list[str]
    complaints: list[str]


def synthesize(
    layouts: Positional[tuple[Path, ...]],
    *,
    out: Out,
    model: str = "toy",
    size: str | None = None,
    numbering: NumberingName | None = None,
    instances: Path | None = None,
) -> int:
    r"""Make pictures of layouts: NAME_final.png, NAME_first.png and NAME_edge.png for each.

    A picture has the size of its label file where the model can paint it (multiples of 32, up to
    four times the model's own size); otherwise the closest that it can, which is said. A model that
    learned from crops paints larger pictures in windows of its own size, which fade into each
    other, up to sixteen times that.

    Args:
        layouts: Label PNGs (grey ids or a palette), or folders of them; no photograph is needed.
        out: The folder to write, made where needed.
        model: A model that comes with the package, such as toy, the path of a .safetensors file, or
            the folder of a run.
        size: Height x width of every picture, such as 256x512; as the file is unless given.
        numbering: How the label files number the classes; as the model's own data set unless given.
        instances: A folder of instance maps, named as the layouts, for models that want them.
    """
    painted = synthesize_files(
        list(layouts), out, model=model, size=size, numbering=numbering, instances=instances
    )
    more = len(painted.said) - SHOWN
    for line in painted.said[:SHOWN] + ([f"and {more} more like these"] if more > 0 else []):
        print(line)
    if painted.written:
        print(f"{len(painted.written)} pictures in {out}")
    for complaint in painted.complaints:
        print(f"ecgan: {complaint}", file=sys.stderr)
    return 2 if painted.complaints else 0


def parsed_size(text: str | None) -> tuple[int, int] | None:
    r"""(height, width) from "256x512", or from "256" for a square."""
    sides = [] if text is None else text.lower().replace("×", "x").split("x")
    if not all(side.strip().isdecimal() for side in sides) or len(sides) > 2:
        raise CommandError(f"size is {text}; write height x width, such as 256x512")
    return (int(sides[0]), int(sides[-1])) if sides else None


def instance_file(folder: Path, name: str, layout: Path) -> Path:
    r"""The instance map of a layout: of its own file name, or of any other ending."""
    from ecgan.data.folders.conventions import PICTURES

    beside = (folder / name).parent
    names = [beside / layout.name, *(beside / f"{Path(name).name}{end}" for end in PICTURES)]
    return next((path for path in names if path.is_file()), names[0])


def synthesize_files(
    layouts: list[Path],
    out: Path,
    *,
    model: str = "toy",
    size: str | None = None,
    numbering: str | None = None,
    instances: Path | None = None,
) -> Painted:
    r"""Write NAME_edge.png, NAME_first.png and NAME_final.png into ``out`` for each layout.

    A label file that cannot be painted is a complaint; the others are painted.
    """
    from tqdm import tqdm

    from ecgan.data.folders.conventions import CONVENTIONS
    from ecgan.data.folders.layouts import (
        IN_WINDOWS,
        LARGEST,
        check_asked,
        check_numbering,
        check_out,
        layout_files,
        read_layout,
    )
    from ecgan.data.folders.numbering import from_notes
    from ecgan.errors import EcganError
    from ecgan.files.progress import quiet
    from ecgan.synthesis import all_pictures, save_png, synthesize_in_windows
    from ecgan.weights.checkpoint import notes
    from ecgan.weights.named import crop_scale, find_generator, find_model

    files, asked = layout_files(layouts), parsed_size(size)
    check_out(out, layouts)
    generator = find_generator(model)
    config = generator.config
    if asked is not None:
        check_asked(asked, config)
    if config.instance_boundaries and instances is None:
        raise CommandError(f"{model} wants instance maps: name their folder with --instances")
    known = CONVENTIONS[numbering] if numbering else None
    reading = known or from_notes(notes(find_model(model)).get("numbering"))
    whole = crop_scale(model) is None
    paint, largest = (all_pictures, LARGEST) if whole else (synthesize_in_windows, IN_WINDOWS)
    painted = Painted([], [], [])
    for name, path in tqdm(files.items(), "layouts", disable=quiet()):
        try:
            if known is None:
                check_numbering(path, reading)
            layout = read_layout(
                path,
                numbering=reading,
                model=config,
                size=asked,
                largest=largest,
                instances=None if instances is None else instance_file(instances, name, path),
            )
        except EcganError as error:
            painted.complaints.append(str(error))
            continue
        with memory_for(path, layout.labels.shape[1:]):
            ids = None if layout.instances is None else layout.instances[0]
            pictures = paint(generator, layout.labels[0], ids)
        if not pictures["final"].isfinite().all():
            raise CommandError(
                f"{model} paints numbers that are none (NaN): its weights are damaged; take an "
                f"older file, or train it anew"
            )
        painted.said.extend([layout.said] if layout.said else [])
        for kind, picture in pictures.items():
            painted.written.append(out / f"{name}_{kind}.png")
            save_png(painted.written[-1], picture)
    return painted


def memory_for(path: Path, size: tuple[int, int]):
    r"""A block in which running out of memory is said, with a way out."""
    from contextlib import contextmanager

    @contextmanager
    def block():
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise CommandError(
                f"{path}: the memory does not suffice for {size[0]} x {size[1]} pixels; name a "
                f"smaller --size"
            ) from error

    return block()
