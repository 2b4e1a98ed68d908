r"""Unpack and check Cityscapes: python data_scripts/cityscapes.py FOLDER"""

import sys

from ecgan.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["fetch", "cityscapes", *sys.argv[1:]]))
