r"""Draws `static/overview.png`: a held-out layout and what the toy generator makes of it."""

from book import BOOK
from ecgan.data import toy
from ecgan.synthesis import synthesize
from ecgan.teaching.figures import layout_rgb, strip, to_rgb, use_style
from ecgan.weights.checkpoint import shipped

PICTURE = BOOK / "static" / "overview.png"
SCENE = 9


def main() -> None:
    use_style()
    labels = toy.scenes(1, seed=1, start=SCENE).labels
    made = synthesize(shipped("toy"), labels)
    pictures = [to_rgb(picture)[0] for picture in (made.edge, made.first, made.final)]
    titles = ["layout", "edge map", "first image", "final image"]
    figure = strip([layout_rgb(labels)[0], *pictures], titles)
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
