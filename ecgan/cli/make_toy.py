r"""``ecgan make-toy``: the toy models that come with the package, trained anew."""

from pathlib import Path

from tyro.conf import Positional

from ecgan.cli.errors import CommandError


def make_toy(
    names: Positional[tuple[str, ...]] = (), *, steps: int | None = None, out: Path | None = None
) -> None:
    r"""Train the toy models that come with the package, the segmenters first.

    Args:
        names: Which of them; all unless given.
        steps: Fewer training steps for the generators, to try the command.
        out: The folder to write; the package's own unless given.
    """
    from ecgan.files.whole import try_place
    from ecgan.teaching.toy_models import SEGMENTERS, make_generator, make_segmenter, toy_variants
    from ecgan.weights.checkpoint import WEIGHTS

    known = [*SEGMENTERS, *toy_variants()]
    for name in names:
        if name not in known:
            raise CommandError(f"no toy model {name!r}; there are {', '.join(known)}")
    folder = WEIGHTS if out is None else out
    wanted = [name for name in known if name in names or not names]
    for name in wanted:
        try_place(folder / f"{name}.safetensors")
    for name in wanted:
        print(f"making {name}", flush=True)
        if name in SEGMENTERS:
            make_segmenter(name, folder=folder)
        else:
            make_generator(name, folder=folder, steps=steps)
        print(f"wrote {folder / name}.safetensors", flush=True)
