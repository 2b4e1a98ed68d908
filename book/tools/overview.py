r"""Draws the first pictures of README and book, from the shipped networks.

`static/city.jpg`: the plan of a city, and the photograph painted from it. `static/overview.png`: a
held-out street of the toy world, and all that the generator makes of it.
"""

import torch
from matplotlib.figure import Figure

from book import BOOK
from ecgan.data import plans, toy
from ecgan.synthesis import synthesize, synthesize_in_windows
from ecgan.teaching.figures import layout_rgb, strip, use_style
from ecgan.weights.checkpoint import shipped

STATIC = BOOK / "static"
SCENE, CITY = 9, 70


def street() -> Figure:
    r"""A held-out layout, its edge map, the first and the final image."""
    generator = shipped("toy_128")
    size = {"height": generator.config.height, "width": generator.config.width}
    labels = toy.scenes(1, seed=1, start=SCENE, **size).labels
    made = synthesize(generator, labels)
    pictures = [layout_rgb(labels)[0], made.edge[0], made.first[0], made.final[0]]
    return strip(pictures, ["layout", "edge map", "first image", "final image"])


def city() -> Figure:
    r"""A plan larger than any picture of the training, and what is painted from it in windows."""
    labels = torch.from_numpy(plans.plan(256, 384, seed=CITY)).long()
    final = synthesize_in_windows(shipped("aerial"), labels)["final"]
    return strip([layout_rgb(labels, plans.PALETTE), final], ["plan", "painted"], smooth=True)


def main() -> None:
    use_style()
    street().savefig(STATIC / "overview.png", dpi=150)
    city().savefig(STATIC / "city.jpg", dpi=200, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
