"""Trees from ZooKeepers and to them, through kazoo.

`connection` is a client that waits for lost connections, `reading` reads a tree, `writing` makes
one, and `places` are the words of a command line that name trees.
"""
