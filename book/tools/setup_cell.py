# Setup. Where ecgan is installed this does nothing; elsewhere, as on Colab, it installs ecgan.
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile

REPOSITORY = "https://github.com/-unpublished-/ecgan"
if importlib.util.find_spec("ecgan") is None:
    source = os.environ.get("ECGAN_SOURCE") or f"git+{REPOSITORY}"
    if "-unpublished-" in source:
        raise RuntimeError("Set ECGAN_SOURCE to a folder that holds the book's repository.")
    have = {package.name: package.version for package in importlib.metadata.distributions()}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as keep:  # torch and numpy as they are
        keep.writelines(f"{name}=={have[name]}\n" for name in ("torch", "numpy") if name in have)
        keep.flush()
        install = ["pip", "install", "--quiet", "--constraint", keep.name, source]
        subprocess.check_call([sys.executable, "-m", *install])
