"""Settings of servers for tests that a busy computer must not disturb."""

from __future__ import annotations

QUICK = {"tickTime": 200, "maxSessionTimeout": 600_000}
"""Sessions may be as long as a test asks for: 20 ticks would make them four seconds at most."""
STEADY = {"initLimit": 100, "syncLimit": 60}
"""A server that stands still for some seconds keeps its place in a live ensemble."""
