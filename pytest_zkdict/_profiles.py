"""Profiles for Hypothesis, which calls `register` by an entry point whenever it is imported.

The rules that live here: a profile is registered, never loaded, so that nobody's default changes;
both start from Hypothesis's own default profile.
"""

from __future__ import annotations

__all__ = ["register"]


def register() -> None:
    """Register ``zk_ci``, the same 50 examples in each run, and ``zk_nightly``, 2,000 new ones."""
    from hypothesis import HealthCheck, settings

    default = settings.get_profile("default")
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    settings.register_profile(
        "zk_ci",
        default,
        derandomize=True,
        database=None,
        print_blob=True,
        deadline=None,
        max_examples=50,
    )
    settings.register_profile(
        "zk_nightly",
        default,
        derandomize=False,
        print_blob=True,
        deadline=None,
        max_examples=2_000,
        suppress_health_check=slow,
    )
