r"""Tests put nothing on a machine behind its owner's back: only in CI, or where they are asked."""

import os


def in_ci() -> bool:
    r"""Where nobody's own machine is used, and where what is left out is a failure."""
    return bool(os.environ.get("CI"))


def may_install() -> bool:
    r"""Whether a test may install a program or fetch one: `ECGAN_INSTALL=1 make test`."""
    return in_ci() or os.environ.get("ECGAN_INSTALL", "") not in ("", "0")
