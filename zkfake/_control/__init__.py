"""An ensemble in the hands of a test: its state is read, set and put back, its servers fail."""
