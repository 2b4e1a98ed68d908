r"""The doctor: what is wrong with a folder of images and layouts, before training (chapter 01)."""

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ecgan.config import Config
from ecgan.data.doctor.examination import Facts, examine_scene
from ecgan.data.doctor.findings import (
    Expected,
    empty_folder,
    grouped,
    histogram,
    numbering,
    out_of_range,
    unknown_layout,
)
from ecgan.data.doctor.report import Report
from ecgan.data.folders.conventions import Convention, recognise
from ecgan.data.folders.scenes import KINDS, Listing, Scene, Trouble, list_scenes
from ecgan.files.progress import quiet
from ecgan.presets import PRESETS, preset

SAMPLE = 500


def class_names(root: Path) -> dict[int, str]:
    r"""Names by class id from the folder's classes.json; nothing where there is none."""
    try:
        return dict(enumerate(json.loads((root / "classes.json").read_text())["classes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _listings(root: Path, convention: Convention) -> list[Listing]:
    # A plain folder has one split only: its paths do not name any.
    splits = ("train", "val") if "{split}" in convention.images.folder else ("train",)
    return [list_scenes(root, convention, split) for split in splits]


def _chosen(scenes: list[Scene], sample: int | None, seed: int) -> list[Scene]:
    if not sample or len(scenes) <= sample:
        return scenes
    indices = np.random.default_rng(seed).choice(len(scenes), sample, replace=False)
    return [scenes[index] for index in sorted(indices)]


def _look(scenes: list[Scene], expected: Expected) -> list[Facts]:
    # Decoding leaves Python's lock, so threads use every core.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        results = threads.map(lambda scene: examine_scene(scene, expected.allows), scenes)
        return list(tqdm(results, "examining", len(scenes), disable=quiet()))


def _missing_instances(scenes: list[Scene], config: Config | None) -> list[Trouble]:
    if config is None or not config.model.instance_boundaries:
        return []
    return [Trouble("missing instances", one.label) for one in scenes if one.instance is None]


def examine(
    folder: str | Path,
    *,
    config: Config | str | None = None,
    sample: int | None = SAMPLE,
    seed: int = 0,
) -> Report:
    r"""Examine a folder in a layout of :data:`ecgan.data.folders.conventions.CONVENTIONS`.

    All file names are paired, of both splits; the pixels of ``sample`` scenes, drawn by ``seed``,
    are read (None or 0: of all). ``config`` is a preset's name or a :class:`Config`; without it
    the data set's own preset is taken, or what classes.json says, or any ids are accepted. Raises
    :class:`ecgan.config.ConfigError` for an unknown preset; all else is in the report. [I]
    """
    config = preset(config) if isinstance(config, str) else config
    root = Path(folder)
    convention = recognise(root)
    if convention is None:
        title, findings = "no known layout", (unknown_layout(root),)
        return Report(folder=str(folder), convention=title, counts={}, read=0, findings=findings)
    config = config or PRESETS.get(convention.name)
    names = class_names(root)
    expected = Expected(
        convention=convention,
        classes=config.model.classes if config else len(names) or None,
        dont_care=config.model.dont_care if config else True,
    )
    listings = _listings(root, convention)
    scenes = [scene for listing in listings for scene in listing.scenes]
    counts = {kind: sum(listing.counts[kind] for listing in listings) for kind in KINDS}
    facts = _look(_chosen(scenes, sample, seed), expected)
    trouble = [one for part in (*listings, *facts) for one in part.trouble]
    return Report(
        folder=str(folder),
        convention=convention.title,
        counts={"pairs": len(scenes)} | {kind: count for kind, count in counts.items() if count},
        read=len(facts),
        findings=(
            *([] if scenes else [empty_folder(convention)]),
            *grouped(root, [*trouble, *_missing_instances(scenes, config)]),
            *out_of_range(root, facts, expected),
            *numbering(facts, expected),
        ),
        histogram=histogram(facts, expected, names) if facts else None,
        sizes=Counter(one.size for one in facts if one.size),
        config=config,
    )
