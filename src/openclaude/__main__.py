"""`python -m openclaude` is the `openclaude` command."""

import sys

from openclaude.cli.main import main

sys.exit(main())
