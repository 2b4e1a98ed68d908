r"""Every test checks the shapes that `ecgan` annotates, on one thread, so that it repeats."""

import os
from pathlib import Path

# Before torch is imported: two test processes on two cores must not fight over threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["ECGAN_QUIET"] = "1"

import matplotlib
import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("ecgan", "beartype.beartype")

matplotlib.use("agg")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture(scope="session")
def root() -> Path:
    r"""The repository's top folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def seed() -> None:
    r"""The same random numbers for each test, whatever ran before it."""
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    r"""The longest first, so that two processes end together: the book, the chapters, the rest."""
    items.sort(key=lambda item: (item.path.name != "test_book.py", item.path.suffix != ".ipynb"))
