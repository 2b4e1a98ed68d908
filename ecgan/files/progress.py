r"""Whether progress bars show: one environment switch for rendered and tested pages."""

import os
import sys


def quiet() -> bool:
    r"""True where ``ECGAN_QUIET`` is set to anything but 0, or nobody watches a terminal."""
    switch = os.environ.get("ECGAN_QUIET")
    if switch is not None:
        return switch != "0"
    return not sys.stderr.isatty() and "ipykernel" not in sys.modules
