"""`python -m sandbox.demo`."""

import sys

from sandbox.demo.run import main

sys.exit(main())
