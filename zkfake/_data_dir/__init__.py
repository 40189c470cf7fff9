"""A data directory: what the servers of one `FakeZooKeeper` have committed, on disk.

`codec` makes bytes of transactions and znodes, `database` keeps them in one file of SQLite,
`directory` is the directory with its lock and its named snapshots, and `journal` what a running
ensemble tells of.
"""
