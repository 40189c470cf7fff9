"""The files in which a real ZooKeeper keeps its state, read and never written.

`snapshots` reads a snapshot, `logs` the transactions of a log, `replay` applies them as a server
does that starts, and `directory` finds the files of a data directory.
"""
