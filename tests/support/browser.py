r"""The headless Chromium of the tests, installed if that is asked; how busy the machine is."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser

from book.tools import chromium
from book.tools.chromium import Server, served
from support.asked import in_ci, may_install

__all__ = ["Server", "crowding", "headless", "served"]


def installed() -> str:
    r"""Chromium's path; where it is missing it is installed if asked, else a failure in CI."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if chromium.find() is None and may_install() and is_root and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for step in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "--quiet", *step], check=False, **quiet)
    found = chromium.find()
    if found is None:
        told = (
            "NO CHROMIUM ON THIS MACHINE: what pages do in a browser is not tested. Install it "
            "(Debian: apt-get install chromium; as root, ECGAN_INSTALL=1 makes the tests do it) "
            "and run the tests again."
        )
        if in_ci():
            pytest.fail(told)
        pytest.skip(told)
    return found


@contextmanager
def headless(*options: str) -> Iterator[Browser]:
    r"""A running Chromium, :func:`installed` where it is missing."""
    installed()
    with chromium.headless(*options) as browser:
        yield browser


def crowding() -> float:
    r"""How many times longer than alone a computation takes now: other programs share the cores."""
    began, computed = time.perf_counter(), time.process_time()
    while time.process_time() - computed < 0.2:
        pass
    return max((time.perf_counter() - began) / 0.2, 1.0)
