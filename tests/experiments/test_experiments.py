r"""The experiments: a grid is run, taken up where rows are missing, and survives failures."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml

from ecgan.experiments import comparison, trial, words
from ecgan.experiments.comparison import NEEDED, read_claims, read_rows
from ecgan.experiments.grid import GridError, Plan, change, parse_grid, read_grid
from ecgan.experiments.trial import KEPT
from ecgan.files import records
from ecgan.presets import preset
from ecgan.teaching.ablation_figures import read_kept
from ecgan.training.settings import as_json, differences
from support.chapters import ROOT, tags
from support.configs import with_defaults

EXPERIMENTS = ROOT / "experiments"
PACKAGE = ROOT / "ecgan" / "experiments"
CI, FULL = EXPERIMENTS / "ci.yaml", PACKAGE / "grid.yaml"
PHOTOGRAPHS = PACKAGE / "photographs.yaml"
KINDS = ("jsonl", "png")
METRICS = set(
    """
    fid kid miou accuracy iou_lamp iou_person iou_tiny edge_f1 inner_edges edge_density agreement
    recall_6 recall_12 recall_24 recall_small
    """.split()
)
PLAN = Plan(config=preset("toy"))


def snakemake(folder: Path, grid: Path) -> subprocess.CompletedProcess:
    r"""All that `make experiments` does, with another grid and folder; the path has a space."""
    program = Path(sys.executable).with_name("snakemake")
    options = ["--snakefile", folder / "experiments" / "Snakefile", "--directory", folder]
    options += ["--cores", "2", "--keep-going", "--scheduler", "greedy"]
    places = [f"grid={grid}", f"results={folder / 'results'}", f"runs={folder / 'runs'}"]
    command = [program, *options, "--config", *places]
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )


def numbers(path: Path) -> dict[tuple[str, float, str], float]:
    rows = records.read(path)
    return {(row["picture"], row["share"], row["metric"]): row["value"] for row in rows}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""The small grid, and a variant that fails while it runs."""
    folder = tmp_path_factory.mktemp("my books")
    for name in ("Snakefile", "run.ipynb"):
        (folder / "experiments").mkdir(exist_ok=True)
        shutil.copy(EXPERIMENTS / name, folder / "experiments")
    said = yaml.safe_load(CI.read_text())
    said["experiments"]["ci"]["variants"]["broken"] = {"data.images": 3}  # a batch takes 4
    grid = folder / "grid.yaml"
    grid.write_text(yaml.safe_dump(said, sort_keys=False))
    finished = snakemake(folder, grid)
    assert finished.returncode != 0, "a grid with a failed run does not end well"
    return folder


def test_a_failed_run_leaves_its_notebook_and_stops_nothing(ran: Path) -> None:
    made = {path.name for path in (ran / "results" / "ci").iterdir()}
    assert made == {f"{name}.0.{kind}" for name in ("whole", "baseline") for kind in KINDS}
    left = (ran / "runs" / "ci" / "broken.0.ipynb").read_text()
    assert "data.images is 3 and batch_size 4" in left
    assert "An Exception was encountered" in left, "papermill marks the place"


def test_executed_notebooks_are_kept_with_pictures_and_losses(ran: Path) -> None:
    kept = nbformat.read(ran / "runs" / "ci" / "whole.0.ipynb", as_version=4)
    cells = {cell.id: cell for cell in kept.cells if cell.cell_type == "code"}
    pictures = [out for out in cells["pictures"].outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 4, "layout, edge map, first and final image"
    assert "adversarial" in cells["losses"].outputs[0].text


def test_rows_hold_what_makes_their_number_again(ran: Path) -> None:
    rows = read_rows(ran / "results")
    cells = {cell.variant: cell for cell in read_grid(CI).cells}
    for variant, pictures in (("whole", 3), ("baseline", 2)):
        own = [row for row in rows if row["variant"] == variant]
        assert len({row["picture"] for row in own}) == pictures
        for picture, share in (("first", 1), ("final", 1), ("final", 0.5), ("final", 0.25)):
            which = [row for row in own if (row["picture"], row["share"]) == (picture, share)]
            assert {row["metric"] for row in which} == METRICS
            assert len(which) == len(METRICS)
        for row in own:
            assert row["config"] == as_json(cells[variant].plan.config)
            assert row["protocol"]["says"]
            assert row["threads"] == 1
    edge = [row["metric"] for row in rows if row["picture"] == "edge"]
    assert edge == ["edge_f1"]


def test_a_run_leaves_the_pictures_that_it_paints(ran: Path) -> None:
    path = ran / "results" / "ci" / "whole.0.png"
    pictures = read_kept(path)
    assert len(pictures) == len(KEPT)
    assert all(picture.shape == (64, 64, 3) for picture in pictures)
    assert np.ptp(pictures[0]) > 0
    assert not np.array_equal(*pictures)


def test_what_was_deleted_is_made_again_and_nothing_else(ran: Path) -> None:
    r"""And it is the same: the same machine gives the same numbers."""
    whole, baseline = (ran / "results" / "ci" / f"{name}.0.jsonl" for name in ("whole", "baseline"))
    before, untouched = numbers(whole), (baseline.stat().st_mtime_ns, baseline.read_bytes())
    whole.unlink()
    finished = snakemake(ran, CI)
    assert finished.returncode == 0, finished.stderr
    assert "1 of 2 steps" in finished.stdout + finished.stderr
    assert (baseline.stat().st_mtime_ns, baseline.read_bytes()) == untouched
    assert numbers(whole) == pytest.approx(before, rel=1e-3)


# The grid: text to cells.


def test_all_seeds_of_the_important_come_before_any_of_the_others() -> None:
    text = "experiments: {a: {seeds: [0, 1], first: [z], variants: {x: {}, z: {}}}}"
    assert [c.name for c in parse_grid(text).cells] == ["a/z.0", "a/z.1", "a/x.0", "a/x.1"]
    with pytest.raises(GridError, match="first names y, which is no variant"):
        parse_grid(text.replace("[z]", "[y]"))


def test_the_ablation_begins_with_nothing_everything_and_each_part_left_out() -> None:
    cells = [cell for cell in read_grid(FULL).cells if cell.experiment == "ablation"]
    assert len({cell.variant for cell in cells}) == 11
    wanted = ["baseline", "whole", "without_edges", "without_semantic", "similarity"]
    assert [(c.variant, c.seed) for c in cells[:25]] == [(v, s) for s in range(5) for v in wanted]
    photographs = [c for c in read_grid(PHOTOGRAPHS).cells if c.measure == "training"]
    assert [(c.variant, c.seed) for c in photographs] == [(v, s) for s in range(3) for v in wanted]


def test_both_grids_take_the_same_parts_away() -> None:
    r"""A variant of one name lacks the same things in both."""
    toy_grid, others = read_grid(FULL), read_grid(PHOTOGRAPHS)
    for cell in others.cells:
        if cell.measure == "training" and cell.seed == 0:
            pairs = []
            for grid, experiment in ((toy_grid, "ablation"), (others, cell.experiment)):
                whole = as_json(grid.cell(experiment, "whole", 0).plan.config)
                variant = as_json(grid.cell(experiment, cell.variant, 0).plan.config)
                pairs.append(differences(whole, variant))
            assert pairs[0] == pairs[1], cell.variant


def test_photographs_are_asked_for() -> None:
    cell = read_grid(PHOTOGRAPHS).cell("photographs", "whole", 0)
    with pytest.raises(GridError, match=r"needs the aerial photographs.*DATA=FOLDER"):
        trial.run(cell)


def test_cells_come_in_the_order_of_importance() -> None:
    text = """
experiments:
  first: {seeds: [3, 4], variants: {a: {}, b: {losses.similarity: 0.0}}}
  second: {variants: {c: {training.steps: 7, trial.edge_targets: boundaries}}}
"""
    grid = parse_grid(text)
    assert [c.name for c in grid.cells] == [
        "first/a.3", "first/b.3", "first/a.4", "first/b.4", "second/c.0"
    ]  # fmt: skip
    config = grid.cell("first", "b", 4).plan.config
    toy = preset("toy")
    assert config == replace(
        toy,
        losses=replace(toy.losses, similarity=0.0),
        training=replace(toy.training, seed=4),
    )
    last = grid.cell("second", "c", 0).plan
    assert (last.config.training.steps, last.trial.edge_targets) == (7, "boundaries")
    with pytest.raises(GridError, match=r"no cell first/a\.5; did you mean first/a\.[34]"):
        grid.cell("first", "a", 5)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"losses.similarty": 1}, "LossConfig has no field 'similarty'; did you mean 'similarity'"),
        ({"loses.similarity": 1}, "has no field 'loses'; did you mean 'losses'"),
        ({"losses": 1}, "losses is a group of fields"),
        ({"losses.contrast": 1}, "losses.contrast is a group of fields"),
        ({"training.steps.more": 1}, "int has no field 'more'"),
        ({"losses.similarity": "much"}, "losses.similarity is 'much'; allowed is a number"),
        ({"losses.similarity": True}, "losses.similarity is True; allowed is a number"),
        ({"losses.similarity": [1, 2]}, "allowed is a number"),
        ({"losses.contrast.across_layouts": 1}, "across_layouts is 1; allowed is true or false"),
        ({"training.steps": 1.5}, "training.steps is 1.5; allowed is a whole number"),
        ({"losses.similarity_pairs": "few"}, "allowed is a whole number or null"),
        ({"training.betas": [0.5]}, "allowed is a list of 2 numbers"),
        ({"losses.perceptual_features": "vgg"}, "'vgg'; allowed is vgg19 or lite or segmenter"),
        ({"trial.edge_targets": "sobel"}, "'sobel'; allowed is canny or boundaries"),
        ({"losses.similarity": -1}, "losses.similarity is -1.0; a weight is 0"),
        ({"model.edge_branch": False}, "switch edge_transfer off too"),
        ({"trial.scored": 0}, "at least 1"),
        ({"losses.contrast.scales": 8}, "scales is 8; this trunk has 7"),
        # Of several, the one at fault is named.
        ({"training.steps": 3, "model.height": "tall", "losses.similarity": 0}, "model.height is"),
    ],
)
def test_a_field_that_is_not_one_is_told(changed: dict, says: str) -> None:
    with pytest.raises(GridError, match=f"^here: .*{says}"):
        change(PLAN, changed, where="here")


@pytest.mark.parametrize(
    "text",
    [
        "experiments: {a: {measure: taste, variants: {}}}",
        "[1, 2]",
        "experimnts: {}",
        "a: [",
        "experiments: {a: {seed: 1}}",
    ],
)
def test_a_grid_that_is_none_is_told(text: str) -> None:
    with pytest.raises(GridError, match=r"^grid"):
        parse_grid(text)


def test_fields_that_go_together_are_set_together() -> None:
    both = change(PLAN, {"model.edge_branch": False, "model.edge_transfer": False})
    assert not both.config.model.edge_branch
    nothing = change(PLAN, {"losses.similarity_pairs": None, "training.betas": [0.5, 0.9]})
    assert nothing.config.losses.similarity_pairs is None
    assert nothing.config.training.betas == (0.5, 0.9)


# What is kept in the repository.


def test_rows_and_claims_go_with_the_package() -> None:
    r"""By a link inside it, so that the chapter finds them where only the package is installed."""
    assert comparison.EXPERIMENTS.resolve() == PACKAGE
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["ecgan"]
    packed = {path.resolve() for pattern in patterns for path in (ROOT / "ecgan").glob(pattern)}
    results = [path for path in (PACKAGE / "results").rglob("*") if path.is_file()]
    assert {*PACKAGE.glob("*.yaml"), *results} <= packed
    assert {path.suffix for path in results} <= {f".{kind}" for kind in KINDS}


def test_the_notebook_has_one_cell_of_parameters_and_no_outputs() -> None:
    notebook = nbformat.read(EXPERIMENTS / "run.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert sum("parameters" in tags(cell) for cell in notebook.cells) == 1
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert notebook.metadata.kernelspec.name == "python3"


def test_committed_rows_are_those_of_the_grid() -> None:
    cells = {cell.name: cell for path in (FULL, PHOTOGRAPHS) for cell in read_grid(path).cells}
    for row in read_rows(PACKAGE / "results"):
        cell = cells[f"{row['experiment']}/{row['variant']}.{row['seed']}"]
        assert with_defaults(row["config"]) == as_json(cell.plan.config), (
            f"{cell.name}: delete its rows, run again"
        )
        assert len(row["commit"]) == 40, f"{cell.name} comes from changed files"
        assert set(NEEDED) <= set(row)


def test_rows_that_came_are_no_change_of_the_code(tmp_path: Path, monkeypatch) -> None:
    r"""Or every run after the first would say that its files differ from its commit."""
    package = tmp_path / "ecgan"
    (package / "experiments" / "results" / "a").mkdir(parents=True)
    (package / "__init__.py").touch()
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for said in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "a"]):
        subprocess.run(["git", "-C", tmp_path, *said], check=True)
    monkeypatch.setattr(records.ecgan, "__file__", str(package / "__init__.py"))
    now = records.commit.__wrapped__
    assert len(now()) == 40
    (package / "experiments" / "results" / "a" / "b.0.jsonl").write_text("{}")
    assert len(now()) == 40
    (package / "code.py").touch()
    assert now().endswith("+")


def test_old_rows_are_kept_and_whole() -> None:
    old = [row for path in (EXPERIMENTS / "history").rglob("*.jsonl") for row in records.read(path)]
    assert old
    assert all(row[name] for row in old for name in ("config", "commit", "protocol"))
    assert all("seed" in row for row in old)


@pytest.mark.parametrize("name", ["config", "seed", "commit", "protocol"])
def test_a_row_that_lacks_something_is_refused(name: str, tmp_path: Path) -> None:
    row = dict.fromkeys(NEEDED, "x") | {"protocol": {"name": "x"}, "seed": 0, "config": {"a": 1}}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    assert len(read_rows(tmp_path)) == 1
    for value in (None, ...):
        bad = {key: value if key == name else kept for key, kept in row.items()}
        bad = {key: kept for key, kept in bad.items() if kept is not ...}
        (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(bad) + "\n")
        with pytest.raises(records.RecordError, match=f"line 2 lacks {name}"):
            read_rows(tmp_path)


def test_claims_name_runs_of_the_grid() -> None:
    grid = read_grid(FULL)
    runs = {f"{cell.experiment}/{cell.variant}" for cell in grid.cells}
    for claim in read_claims(PACKAGE / "claims.yaml"):
        assert claim.source in {"A", "P", "M"}
        assert claim.metric in words.METRICS
        assert claim.better == words.METRICS[claim.metric].better
        assert claim.why
        assert claim.otherwise
        for pair in claim.shown_by:
            assert {run.partition("@")[0] for run in pair} <= runs
    assert {run for runs_beside in grid.beside.values() for run in runs_beside} <= runs


def test_the_slurm_profile_asks_for_what_snakemake_knows() -> None:
    profile = yaml.safe_load((EXPERIMENTS / "slurm" / "config.yaml").read_text())
    program = Path(sys.executable).with_name("snakemake")
    known = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    assert profile["executor"] == "slurm"
    for option in profile:
        assert re.search(rf"^ +--{option}\b", known, re.MULTILINE), option
