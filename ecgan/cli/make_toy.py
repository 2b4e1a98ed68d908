r"""``ecgan make-toy``: the toy models that come with the package, trained anew."""

from pathlib import Path

from tyro.conf import Positional

from ecgan.cli.errors import CommandError


def make_toy(
    names: Positional[tuple[str, ...]] = (),
    *,
    steps: int | None = None,
    out: Path | None = None,
    run: Path | None = None,
) -> None:
    r"""Train the toy models that come with the package, the segmenters first.

    Args:
        names: Which of them, or of the large ones, which take hours; all but the large unless
            given.
        steps: Fewer training steps for the generators, to try the command.
        out: The folder to write; the package's own unless given.
        run: A folder for checkpoints, of one generator: stopped or killed, the same command goes
            on.
    """
    from ecgan.files.whole import try_place
    from ecgan.teaching.toy_models import (
        LARGE_SEGMENTERS,
        SEGMENTERS,
        large_variants,
        make_generator,
        make_segmenter,
        toy_variants,
    )
    from ecgan.weights.checkpoint import WEIGHTS

    usual = [*SEGMENTERS, *toy_variants()]
    known = [*usual, *LARGE_SEGMENTERS, *large_variants()]
    for name in names:
        if name not in known:
            raise CommandError(f"no toy model {name!r}; there are {', '.join(known)}")
    folder = WEIGHTS if out is None else out
    chosen = [name for name in known if name in (names or usual)]
    generators = [name for name in chosen if name in toy_variants() | large_variants()]
    if run is not None and len(generators) != 1:
        raise CommandError(f"--run is for one generator; {len(generators)} are to be made")
    for name in chosen:
        try_place(folder / f"{name}.safetensors")
    for name in chosen:
        print(f"making {name}", flush=True)
        if name not in generators:
            made = make_segmenter(name, folder=folder)
        else:
            made = make_generator(name, folder=folder, steps=steps, run=run)
        if made is None:
            print(f"stopped; the same command goes on from {run}", flush=True)
            return
        print(f"wrote {folder / name}.safetensors", flush=True)
