r"""Fetch CMP facades: python data_scripts/facades.py FOLDER"""

import sys

from ecgan.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["fetch", "facades", *sys.argv[1:]]))
