r"""A headless Chromium, and a server of files for it: for slides, for print, and for the tests."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No start page, no calls home, and no other host than this one: a page must bring all it needs.
OPTIONS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
OPTIONS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def find() -> str | None:
    r"""Where Chromium or Chrome is; None if neither is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def headless(*options: str) -> Iterator[Browser]:
    r"""A running Chromium. Ends the program with a sentence where there is none."""
    path = find()
    if path is None:
        sys.exit("no Chromium on this machine; install it (Debian: apt-get install chromium)")
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        arguments = [*OPTIONS, *sandbox, *options]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
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
