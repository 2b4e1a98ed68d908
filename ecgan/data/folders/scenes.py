r"""Which files of a folder belong together, and which are left over."""

import unicodedata
from pathlib import Path
from typing import NamedTuple

from ecgan.data.folders.conventions import (
    CONVENTIONS,
    PICTURES,
    Convention,
    FolderError,
    recognise,
)
from ecgan.data.folders.numbering import PLAIN, Numbering
from ecgan.method.layouts import NEXT_STEP

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
    r"""The scenes of one split, how many files of each kind, and files that fit nowhere.

    ``passed_over`` lie there and are not read, which harms nothing but should be known.
    """

    scenes: list[Scene]
    counts: dict[str, int]
    trouble: list[Trouble]
    passed_over: list[Trouble]


def list_scenes(root: Path, convention: Convention, split: str) -> Listing:
    r"""Pair the files of a split by their keys, sorted by key. Reads names only."""
    word, trouble, found = convention.folder_of(split), [], {}
    for kind in KINDS:
        files = getattr(convention, kind)
        claims = files.find(root, word) if files else {}
        found[kind] = {key: paths[0] for key, paths in claims.items()}
        for first, *others in claims.values():
            trouble += [Trouble("doubled names", path, f"beside {first.name}") for path in others]
    over = _passed_over(root, convention, word)
    for kind, other in (("images", "labels"), ("labels", "images")):
        lonely = {key: path for key, path in found[kind].items() if key not in found[other]}
        if lonely:
            near = _near_misses([*found[other].values(), *over[other]])
            for path in lonely.values():
                text = near.get(_loosely(path), "")
                trouble.append(Trouble(f"{kind} without {other}", path, text))
    scenes = [
        Scene(key, image, found["labels"][key], *(found[kind].get(key) for kind in KINDS[2:]))
        for key, image in found["images"].items()
        if key in found["labels"]
    ]
    return Listing(
        scenes=scenes,
        counts={kind: len(found[kind]) for kind in KINDS},
        trouble=trouble,
        passed_over=[
            Trouble("files passed over", path) for kind in KINDS for path in over.get(kind, [])
        ],
    )


def _passed_over(root: Path, convention: Convention, word: str) -> dict[str, list[Path]]:
    r"""Files of other endings, by kind; published data sets bring some that are known."""
    own = convention.images.suffixes is PICTURES
    kinds = [kind for kind in KINDS if getattr(convention, kind)] if own else []
    found = {kind: getattr(convention, kind).passed_over(root, word) for kind in kinds}
    return {kind: found.get(kind, []) for kind in KINDS}


def _loosely(path: Path) -> str:
    return unicodedata.normalize("NFKC", path.stem).strip().casefold()


def _near_misses(paths: list[Path]) -> dict[str, str]:
    r"""What to say of files whose names are nearly another's, by that name."""
    return {
        _loosely(path): f"there is {path.parent.name}/{path.name}: rename it, or convert it to PNG"
        for path in paths
    }


def find_convention(root: Path, name: str | None = None) -> Convention:
    r"""The convention of that name, or the one recognised. Raises :class:`FolderError`."""
    if name is not None and name not in CONVENTIONS:
        raise FolderError(f"no convention {name!r}; there are {', '.join(CONVENTIONS)}")
    convention = recognise(root) if name is None else CONVENTIONS[name]
    if convention is None:
        raise FolderError(
            f"{root} holds no folders of images and labels that are known; {NEXT_STEP} {root}"
        )
    return convention


def numbering_of(data: str | Path | None) -> Numbering:
    r"""How the label files of a data set are numbered; the toy world (None) counts from 0."""
    return PLAIN if data is None else find_convention(Path(data))


def complete_scenes(
    root: Path, convention: Convention, split: str, *, instances: bool, edges: bool
) -> list[Scene]:
    r"""The scenes of a split, each with every file that is needed.

    Raises :class:`FolderError` where a file has no partner or a needed map is missing.
    """
    listing = list_scenes(root, convention, split)
    if listing.trouble:
        kind, path, text = listing.trouble[0]
        more = f" ({text})" if text else ""
        raise FolderError(
            f"{root} has {kind}, {len(listing.trouble)} in all, first "
            f"{path.relative_to(root).as_posix()}{more}; {NEXT_STEP}"
        )
    if not listing.scenes:
        raise FolderError(f"{root} has not one scene for the split {split!r}; {NEXT_STEP}")
    for kind, need in {"instance": instances, "edge": edges}.items():
        lacking = [scene.key for scene in listing.scenes if getattr(scene, kind) is None]
        if need and lacking:
            way_out = {
                "instance": "set instance_boundaries=False",
                "edge": 'let them be found: edges="compute"',
            }
            raise FolderError(
                f"{root} has no {kind} map for {len(lacking)} scenes, first {lacking[0]}; add "
                f"them, or {way_out[kind]}"
            )
    return listing.scenes
