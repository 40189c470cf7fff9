"""The writes of one dict: each has its place among the reads, and waits until the copy has it.

The modules, from the bottom:

| module | role |
| --- | --- |
| `claims` | which calls of a session may have made the same ephemeral key |
| `proof` | what the server's znodes prove of a write whose answer was lost |
| `sender` | sends one request, waits for its answer and for the copy; when it may be sent again |
| `fresh` | what the server has now: `fetch`, `sync`, `wait_until` |
| `uncertain` | the exception for a write without an answer, and how it is resolved |
| `multi` | several operations in one request |
| `single` | the writes of a single key |
| `compare` | the writes that depend on a version |
| `txn` | transactions |
| `lease` | ephemeral keys that are made again |
"""
