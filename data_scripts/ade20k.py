r"""Fetch ADE20K: python data_scripts/ade20k.py FOLDER"""

import sys

from ecgan.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["fetch", "ade20k", *sys.argv[1:]]))
