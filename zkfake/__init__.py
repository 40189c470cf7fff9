"""An in-process fake ZooKeeper that speaks the real wire protocol."""
