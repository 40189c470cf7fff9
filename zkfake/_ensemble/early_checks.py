"""``enableEagerACLCheck``: what a server of an ensemble refuses by itself, without a transaction.

It checks the request's list of ACL entries, and the ACL that the leader would check, in its own
tree, which may lag. The leader checks again what passes. The refusal has zxid 0 and overtakes the
replies to requests that are still on their way.
"""

from zkfake._database import acl
from zkfake._database.paths import ROOT, split
from zkfake._database.tree import SPECIAL_PATHS, Tree
from zkfake._protocol.records import Code, Op, Request, ZooKeeperError

__all__ = ["refusal"]

_NEEDED = {
    Op.CREATE: acl.CREATE,
    Op.CREATE2: acl.CREATE,
    Op.DELETE: acl.DELETE,
    Op.SET_DATA: acl.WRITE,
    Op.SET_ACL: acl.ADMIN,
}
"""Other writes are not checked early."""

_OF_PARENT = (Op.CREATE, Op.CREATE2, Op.DELETE)
_WITH_LIST = (Op.CREATE, Op.CREATE2, Op.SET_ACL)


def refusal(request: Request, tree: Tree, access: acl.AccessControl) -> Code:
    """NoAuth or InvalidACL; OK if the leader is to decide ``request``."""
    permission = _NEEDED.get(request.op)
    if permission is None or request.record is None or request.record.path is None:
        return Code.OK
    path: str = request.record.path
    if request.op in _OF_PARENT:
        if "/" not in path or "\0" in path or path in SPECIAL_PATHS:
            return Code.OK
        path, _ = split(path)
    try:
        if request.op in _WITH_LIST:
            access.fix(request.record.acl, request.ids)
        node = tree.get(path or ROOT)
        if node is not None:
            access.check(node.acl, permission, request.ids)
    except ZooKeeperError as error:
        if error.code in (Code.NO_AUTH, Code.INVALID_ACL):
            return error.code
    return Code.OK
