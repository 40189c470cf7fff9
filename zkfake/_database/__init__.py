"""The znodes of a server and the rules of what may happen to them: ZooKeeper's `ZKDatabase`."""
