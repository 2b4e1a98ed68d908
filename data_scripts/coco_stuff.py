r"""Fetch COCO-Stuff: python data_scripts/coco_stuff.py FOLDER"""

import sys

from ecgan.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["fetch", "coco_stuff", *sys.argv[1:]]))
