r"""Who paints the scored scenes: a trained generator, or nobody (chapter 10)."""

from collections.abc import Callable, Iterator

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from ecgan.data.toy import Scenes
from ecgan.evaluation.yardsticks import class_colours, coloured
from ecgan.experiments.grid import GridError, TrialSettings
from ecgan.experiments.measures import edge_row, picture_rows, small_rows
from ecgan.experiments.worlds import World, one_by_one
from ecgan.synthesis import synthesize

AT_ONCE = 8  # layouts
KINDS = ("edge", "first", "final")
YARDSTICKS = ("real", "flat")
# What compares two sets of pictures: for real ones, those of other scenes.
DISTANCES = ("fid", "kid", "fd-lite", "kd-lite", "inner_edges", "edge_density")
Painted = dict[str, Float[Tensor, "b 3 h w"]]  # pictures by kind
Painter = Callable[[Scenes], Painted]


def painter_of(generator: nn.Module) -> Painter:
    r"""Paints scenes' layouts; pictures are clamped to [-1, 1], as a file would be."""

    def paint(scenes: Scenes) -> Painted:
        parts = zip(scenes.labels.split(AT_ONCE), scenes.instances.split(AT_ONCE), strict=True)
        made = [synthesize(generator, *part) for part in parts]
        kinds = [kind for kind in KINDS if getattr(made[0], kind) is not None]
        return {
            kind: torch.cat([getattr(part, kind).cpu() for part in made]).clamp(-1, 1)
            for kind in kinds
        }

    return paint


def painted_rows(
    paint: Painter, world: World, *, trial: TrialSettings, kinds: tuple[str, ...] = KINDS
) -> Iterator[dict]:
    r"""Rows of each kind of picture that is painted, of ``kinds``: edge maps, first, final."""
    made, small = paint(world.scenes), [paint(scenes) for scenes in world.small]
    for kind in kinds:
        if kind == "edge" and kind in made:
            found, what = (
                reduce(made[kind], "b c h w -> b h w", "mean") > 0,
                "the edge map (above 0)",
            )
            yield edge_row(found, world, tolerance=trial.tolerance, what=what) | {"picture": kind}
        elif kind in made:
            for row in picture_rows(made[kind], world, trial=trial):
                yield row | {"picture": kind}
            for row in small_rows([part[kind] for part in small], world):
                yield row | {"picture": kind}


def yardstick_rows(kind: str, world: World, *, trial: TrialSettings) -> Iterator[dict]:
    r"""What the metrics say of pictures that no network painted.

    "real": the real pictures of the layouts; for the distances, real pictures of other scenes.
    "flat": each pixel in the mean colour of its class, so nothing but the layout.
    """
    if kind not in YARDSTICKS:
        raise GridError(f"no yardstick {kind!r}; a variant is one of {', '.join(YARDSTICKS)}")
    if kind == "flat":
        colours = class_colours(one_by_one(world.others()), classes=len(world.names))
        yield from painted_rows(
            lambda scenes: {"final": coloured(scenes.labels, colours)}, world, trial=trial
        )
        return
    others = world.others()
    far = picture_rows(others.images, world, trial=trial, labels=others.labels)
    far = {row["metric"]: row for row in far if row["metric"] in DISTANCES}
    for row in painted_rows(lambda scenes: {"final": scenes.images}, world, trial=trial):
        yield far.get(row["metric"], row) | {"picture": "final"}
