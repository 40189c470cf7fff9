"""The ensemble: who leads, and the one log that all its servers apply.

Each server has a role: it looks for a leader, follows one, leads, or stands alone. `Ensemble` is
what they share, and what the layers above see.
"""

from zkfake.ensemble.ensemble import Ensemble

__all__ = ["Ensemble"]
