"""The command line without a window: ``python -m nsdviewer.cli COMMAND``."""

import sys

from nsdviewer.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
