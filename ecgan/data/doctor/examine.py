r"""The doctor: what is wrong with a folder of images and layouts, before training (chapter 01)."""

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
from ecgan.data.doctor.report import Finding, Report
from ecgan.data.doctor.suspicions import passed_over, suspicions
from ecgan.data.folders.classes import ClassesError, Decision, classes_file, decide_classes
from ecgan.data.folders.conventions import Convention, recognise
from ecgan.data.folders.geometry import too_small
from ecgan.data.folders.scenes import KINDS, Listing, Scene, Trouble, list_scenes
from ecgan.files.progress import quiet
from ecgan.presets import PRESETS, preset

SAMPLE = 500


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


def _decide(config: Config, root: Path) -> tuple[Decision, list[Finding]]:
    r"""The classes that training would take, by the function that it asks; or what is wrong."""
    try:
        return decide_classes(config, root), []
    except ClassesError as error:
        name = classes_file(root).relative_to(root).as_posix()
        found = Finding(level="error", kind="classes.json", message=str(error), files=(name,))
        return Decision(config, (), ""), [found]


def _missing_instances(scenes: list[Scene], config: Config | None) -> list[Trouble]:
    if config is None or not config.model.instance_boundaries:
        return []
    return [Trouble("missing instances", one.label) for one in scenes if one.instance is None]


def _small_pictures(facts: list[Facts], config: Config | None) -> list[Trouble]:
    sized = [(one.scene.image, one.size) for one in facts if config is not None and one.size]
    reasons = [(path, too_small(size, config)) for path, size in sized]
    return [Trouble("pictures smaller than a crop", path, text) for path, text in reasons if text]


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
    the data set's own preset is taken, or the one that ``ecgan train`` takes. Files are read and
    classes told by the functions that training calls. Raises :class:`ecgan.config.ConfigError` for
    an unknown preset; all else is in the report. [I]
    """
    config = preset(config) if isinstance(config, str) else config
    root = Path(folder)
    convention = recognise(root)
    if convention is None:
        title, findings = "no known layout", (unknown_layout(root),)
        return Report(folder=str(folder), convention=title, counts={}, read=0, findings=findings)
    config = config or PRESETS.get(convention.name)
    decision, complaints = _decide(config or PRESETS["toy"], root)
    model = decision.config.model
    expected = Expected(
        convention=convention,
        classes=model.classes,
        dont_care=model.dont_care if config else None,
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
            *complaints,
            *([] if scenes else [empty_folder(convention)]),
            *grouped(
                root,
                [
                    *trouble,
                    *_missing_instances(scenes, config),
                    *_small_pictures(facts, config),
                ],
            ),
            *out_of_range(root, facts, expected),
            *numbering(facts, expected),
            *suspicions(root, facts, expected, decision.config),
            *passed_over(root, [one for listing in listings for one in listing.passed_over]),
        ),
        histogram=histogram(facts, expected, dict(enumerate(decision.names))) if facts else None,
        sizes=Counter(one.size for one in facts if one.size),
        config=config and decision.config,
        classes=decision.why,
    )
