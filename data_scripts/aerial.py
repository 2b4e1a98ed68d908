r"""Fetch the aerial photographs: python data_scripts/aerial.py FOLDER [--mirror FOLDER]"""

import sys

from ecgan.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["fetch", "aerial", *sys.argv[1:]]))
