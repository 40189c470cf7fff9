"""Raw frames to a fake and to another server side by side: what `zkfake compare` does."""
