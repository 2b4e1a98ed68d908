r"""The command line, a file for each command.

What a command needs is imported inside it: help and mistyped options are answered at once.
"""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from ecgan.presets import PRESETS

PresetName = Literal[tuple(PRESETS)]
Out = Annotated[Path, arg(aliases=["-o"])]
