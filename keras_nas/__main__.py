"""Makes `python -m keras_nas` the program `keras-nas`."""

import sys

from keras_nas_cli import main

if __name__ == "__main__":
    sys.exit(main())
