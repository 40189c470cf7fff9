"""The pytest plugin: options, and the fixtures built on them."""
