"""The local copy of one dict: how it is read, kept fresh, published, shown and followed.

The modules, from the bottom:

| module | role |
| --- | --- |
| `clock`, `locks`, `waiting` | time; the dict's lock; waiting for a condition with a deadline |
| `items` | the values that the cache deals with: items, requests, published states |
| `reads`, `cache` | which reads are wanted or under way; when readers may see a state (no I/O) |
| `subtree` | the same as `cache`, on one watch for the root and all below it |
| `replies` | kazoo's answers, in the package's own words |
| `client_tasks`, `callbacks`, `watches` | kazoo's own tasks; the callbacks that kazoo holds |
| `progress` | how far a load has come |
| `effects` | what a write does to the children, and what its answer shows |
| `shared` | the copy as all tasks share it: lock, state, waiters, publishing |
| `read_sender` | sends the reads of the copy through kazoo |
| `feed` | drives the copy through kazoo |
| `lookup`, `snapshot`, `view` | what readers see: values, snapshots |
| `backlog`, `events` | changes that were not fetched yet; who is told of changes |
"""
