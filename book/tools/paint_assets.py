r"""What the painter of the book needs beside its page: the networks, the scenes, the runtime.

`prepare()` writes them into `static/paint/generated`, which Sphinx copies with the rest. The
networks are the shipped generators, exported with two switches, and their segmenters.
The runtime is onnxruntime-web, from npm with a lock file. Where it cannot be had, the page keeps
its still picture and says so.
"""

import hashlib
import json
import shutil
import sys
from itertools import chain
from pathlib import Path

from filelock import FileLock

from book import BOOK, ROOT
from book.tools import npm, paint_networks
from book.tools.paint_worlds import WORLDS, World, described
from ecgan.weights.onnx import ExportError

GENERATED = BOOK / "static" / "paint" / "generated"
LOCK = ROOT / "_build" / "paint.lock"
# For every browser, and for those with WebGPU: the module to import, and what it loads.
RUNTIMES = {
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
}
CURE = "With the extra ecgan[onnx] and access to the npm registry, `make book` turns it on."


def export_networks(world: World, folder: Path) -> None:
    r"""Generator and segmenter of a world."""
    for write, name in zip(paint_networks.EXPORTS, world.networks, strict=True):
        write(world, folder / name)


def megabytes(folder: Path, names: tuple[str, ...]) -> int:
    r"""What a reader's browser loads of these files."""
    return round(sum((folder / name).stat().st_size for name in names) / 1e6)


def write_world(world: World, folder: Path, *, runtime: bool) -> None:
    r"""`street.json` or `city.json`: all that the page shows of a world."""
    loaded = runtime and megabytes(folder, (*world.networks, *RUNTIMES["wasm"]))
    described_with = {"runtime": runtime and RUNTIMES, "megabytes": loaded}
    path = folder / f"{world.name}.json"
    path.write_text(json.dumps(described(world) | described_with))


def fetch_runtime(folder: Path) -> None:
    r"""The runtime's files into ``folder``."""
    distribution = npm.fetched() / "onnxruntime-web" / "dist"
    for name in chain(*RUNTIMES.values()):
        shutil.copy(distribution / name, folder)


def fingerprint(paths: list[Path]) -> str:
    r"""A hash of what a thing is made from, the painter's own tools included."""
    digest = hashlib.sha256()
    for path in [*sorted(Path(__file__).parent.glob("paint_*.py")), *paths]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare() -> bool:
    r"""Make what is missing or older than what it is made from; False without the runtime."""
    for folder in (GENERATED, LOCK.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(LOCK):  # the book and its tests may both want it at once
        return make()


def make() -> bool:
    r"""What :func:`prepare` does, while nobody else does it."""
    stamp = GENERATED / "made-from.json"
    made = json.loads(stamp.read_text()) if stamp.is_file() else {}
    package = sorted((ROOT / "ecgan").rglob("*.py"))
    now = {world.name: fingerprint([*package, *world.weights]) for world in WORLDS}
    now["runtime"] = fingerprint([npm.LISTS / "package-lock.json"])
    stale = [world for world in WORLDS if made.get(world.name) != now[world.name]]
    try:
        for world in stale:
            export_networks(world, GENERATED)
        if made.get("runtime") != now["runtime"]:
            stale = list(WORLDS)
            fetch_runtime(GENERATED)
    except (*npm.FAILURES, ExportError) as error:
        print(f"The painter stays a still picture: {error}. {CURE}", file=sys.stderr)
        for world in WORLDS:
            write_world(world, GENERATED, runtime=False)
        stamp.unlink(missing_ok=True)
        return False
    for world in stale:
        write_world(world, GENERATED, runtime=True)
    stamp.write_text(json.dumps(now))
    return True
