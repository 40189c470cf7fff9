"""``python -m zkfake``."""

from zkfake._cli import main

raise SystemExit(main())
