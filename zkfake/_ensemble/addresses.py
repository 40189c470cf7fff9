"""Addresses as Java prints them: in the four-letter words."""

__all__ = ["java_address", "java_host"]


def java_address(host: str, port: int) -> str:
    """A peer as Java prints it: ``127.0.0.1:2181``, ``[0:0:0:0:0:0:0:1]:2181``."""
    return f"[{java_host(host)}]:{port}" if ":" in host else f"{host}:{port}"


def java_host(host: str) -> str:
    """An address as Java prints it, IPv6 never shortened: ``0:0:0:0:0:0:0:1``."""
    if ":" not in host:
        return host
    address, percent, scope = host.partition("%")
    head, gap, tail = address.partition("::")
    left, right = (part.split(":") if part else [] for part in (head, tail))
    middle = ["0"] * (8 - len(left) - len(right)) if gap else []
    groups = ":".join(f"{int(group, 16):x}" for group in [*left, *middle, *right])
    return f"{groups}{percent}{scope}"
