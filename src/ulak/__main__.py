"""`python -m ulak` is the command line."""

import sys

from ulak.cli.app import main

sys.exit(main())
