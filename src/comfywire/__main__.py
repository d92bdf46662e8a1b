"""``python -m comfywire`` is the command ``comfywire``."""

import sys

from comfywire.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
