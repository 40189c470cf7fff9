"""The judges: each file has those of one subject."""
