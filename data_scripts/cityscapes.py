r"""Unpack and check Cityscapes: python data_scripts/cityscapes.py FOLDER"""

import sys

from ecgan.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["fetch", "cityscapes", *sys.argv[1:]]))
