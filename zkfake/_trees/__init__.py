"""Znodes without a server: what a file, a dump or a copy has.

`plain` is a znode without its history, `entries` how one stands in a tree file, `formats` JSON,
YAML and TOML, and `files` reads and writes whole files.
"""
