r"""A headless Chromium and a server of files, for tests of pages that do something."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No start page, no calls home, and no other host than this one: a page must bring all it needs.
OPTIONS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
OPTIONS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def chromium() -> str:
    r"""Chromium's path; installed where it is missing and can be, else a failure in CI."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not any(map(shutil.which, NAMES)) and is_root and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for step in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "--quiet", *step], check=False, **quiet)
    found = next(filter(None, map(shutil.which, NAMES)), None)
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
    r"""A running Chromium."""
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=[*OPTIONS, *sandbox, *options]
        )
        yield browser
        browser.close()


class _Noted(SimpleHTTPRequestHandler):
    def log_request(self, *_: object) -> None:
        r"""Note what was asked for; nothing is printed."""
        self.server.asked.append(urlsplit(self.path).path)

    def log_error(self, *_: object) -> None:
        r"""A page may ask for what is not there."""


class Server(ThreadingHTTPServer):
    r"""Serves a folder on this machine, and notes what it is asked for."""

    def __init__(self, folder: Path):
        self.folder, self.asked = folder, []
        super().__init__(("127.0.0.1", 0), partial(_Noted, directory=folder))
        self.address = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    r"""A running server of ``folder``."""
    server = Server(folder)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def crowding() -> float:
    r"""How many times longer than alone a computation takes now: other programs share the cores."""
    began, computed = time.perf_counter(), time.process_time()
    while time.process_time() - computed < 0.2:
        pass
    return max((time.perf_counter() - began) / 0.2, 1.0)
