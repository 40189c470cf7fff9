"""The ensemble: who leads, the one log that all its servers apply, and what each server holds.

Each server has a role: it looks for a leader, follows one, leads, or stands alone.
"""
