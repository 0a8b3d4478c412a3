"""`python -m diffad`: the command line, where the script `diffad` is not on the path."""

import sys

from diffad.cli import main

if __name__ == "__main__":
    sys.exit(main())
