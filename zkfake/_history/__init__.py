"""Histories: what happened in a run, event by event."""
