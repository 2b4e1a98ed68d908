r"""The headless Chromium of the tests, installed where it can be; how busy the machine is."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser

import chromium
from chromium import Server, served

__all__ = ["Server", "crowding", "headless", "served"]


def installed() -> str:
    r"""Chromium's path; installed where it is missing and can be, else a failure in CI."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if chromium.find() is None and is_root and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for step in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "--quiet", *step], check=False, **quiet)
    found = chromium.find()
    if found is None:
        told = (
            "NO CHROMIUM ON THIS MACHINE: what pages do in a browser is not tested. Install it "
            "(Debian: apt-get install chromium) and run the tests again."
        )
        if os.environ.get("CI"):
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
