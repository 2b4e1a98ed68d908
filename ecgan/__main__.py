r"""``python -m ecgan`` is the command ``ecgan``."""

import sys

from ecgan.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
