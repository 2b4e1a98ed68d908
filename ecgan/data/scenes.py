r"""Which files of a folder belong together, and which are left over."""

from pathlib import Path
from typing import NamedTuple

from ecgan.data.conventions import Convention

KINDS = ("images", "labels", "instances", "edges")


class Scene(NamedTuple):
    r"""The files of one scene; instances and edges where there are any."""

    key: str
    image: Path
    label: Path
    instance: Path | None
    edge: Path | None


class Trouble(NamedTuple):
    r"""One thing that is wrong with one file: its kind, the file, what was met."""

    kind: str
    path: Path
    text: str = ""


class Listing(NamedTuple):
    r"""The scenes of one split, how many files of each kind, and files that fit nowhere."""

    scenes: list[Scene]
    counts: dict[str, int]
    trouble: list[Trouble]


def list_scenes(root: Path, convention: Convention, split: str) -> Listing:
    r"""Pair the files of a split by their keys, sorted by key. Reads names only."""
    word, trouble, found = convention.folder_of(split), [], {}
    for kind in KINDS:
        files = getattr(convention, kind)
        claims = files.find(root, word) if files else {}
        found[kind] = {key: paths[0] for key, paths in claims.items()}
        for first, *others in claims.values():
            trouble += [Trouble("doubled names", path, f"beside {first.name}") for path in others]
    for kind, other in (("images", "labels"), ("labels", "images")):
        for key, path in found[kind].items():
            if key not in found[other]:
                trouble.append(Trouble(f"{kind} without {other}", path))
    scenes = [
        Scene(key, image, found["labels"][key], *(found[kind].get(key) for kind in KINDS[2:]))
        for key, image in found["images"].items()
        if key in found["labels"]
    ]
    return Listing(scenes, {kind: len(found[kind]) for kind in KINDS}, trouble)
