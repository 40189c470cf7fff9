"""The local copy of one dict: how it is read, kept fresh, published, shown and followed.

The modules, from the bottom:

| module | role |
| --- | --- |
| `clock`, `locks`, `waiting` | time; the dict's lock; waiting for a condition with a deadline |
| `client_tasks` | the client's own tasks, on which nothing may wait |
| `cache` | the copy as a pure state machine: when readers may see a state |
| `replies` | what kazoo answers, in the package's own words |
| `watches` | the watch callbacks that are left with kazoo |
| `feed` | the connection: sends the cache's reads, brings their answers and the events |
| `lookup` | what a read looks into |
| `backlog`, `events` | changes that nobody has fetched yet; who is told of changes |
| `view` | what readers see: keys and decoded values |
| `dict_views` | `keys()`, `values()` and `items()` |
"""
