"""`python -m harness.cli`, where no `assay` is on the path."""

import sys

from harness.cli import main

sys.exit(main())
