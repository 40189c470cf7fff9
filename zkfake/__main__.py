"""``python -m zkfake``."""

from zkfake.cli import main

raise SystemExit(main())
