r"""All that runs on a GPU runs on the pretend device, in a process of its own.

Autograd counts the devices at its first gradient, so the pretend one must be there before any other
test has asked for one; and it is torch's accelerator from then on.
"""

import re
import subprocess
import sys

from support.chapters import ROOT

LEAST = 19


def test_what_a_gpu_runs_the_pretend_device_runs() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    command += ["tests/device/cases.py"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-5000:]
    assert int(re.search(r"(\d+) passed", ran.stdout).group(1)) >= LEAST
