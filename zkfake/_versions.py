"""What differs between the server versions that the fake can be: one table, one row a version.

The rest of the fake asks a field of `Version`; it never compares version numbers.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """One server version's answers where versions differ."""

    name: str
    """The full version, as the ``srvr`` command prints it."""
    built: str
    """Revision and build date, as the ``srvr`` command prints them."""
    event_zxid: bool
    """Watch events carry the zxid of what caused them; before, -1."""
    exists_checks_acl: bool
    """``exists`` needs READ on a znode that is there."""
    events_check_acl: bool
    """A watch event reaches only who may READ the znode it tells of."""
    check_is_an_operation: bool
    """``check`` outside a multi is taken (and a successful one never answered); later it is
    unimplemented.
    """
    watch_modes_add_up: bool
    """A path can hold one-shot, persistent and recursive watches of one connection; before, the
    last one set counts.
    """
    recursive_in_both_tables: bool
    """Recursive watches stand in the child table too."""
    check_watches_finds_anybodys: bool
    """checkWatches is content with a watch of any connection on the path."""
    unwatched_is_remembered: bool
    """``wchs`` goes on counting a connection whose last watch was taken away by removeWatches."""
    multi_create_by_mode_alone: bool
    """In a multi only the create mode says what is made, not the operation, and all are answered
    as ``create``; a mode that does not exist fails its operation, not the whole multi.
    """
    malformed_write_uses_zxid: bool
    """A write whose body cannot be read uses a zxid all the same."""
    delete_container_takes_the_frame: bool
    """deleteContainer takes the whole frame, header and all, for its path, so it finds nothing."""
    ipv6_acl: bool
    """The ip scheme takes IPv6 addresses."""
    mntr_tells_of_restores: bool
    """`mntr` has lines about snapshots that are taken and restored by request."""


VERSIONS = {
    "3.8": Version(
        name="3.8.0",
        built="${mvngit.commit.id}, built on 2024-12-29 17:54 UTC",
        event_zxid=False,
        exists_checks_acl=False,
        events_check_acl=True,
        check_is_an_operation=True,
        watch_modes_add_up=False,
        recursive_in_both_tables=True,
        check_watches_finds_anybodys=True,
        unwatched_is_remembered=True,
        multi_create_by_mode_alone=True,
        malformed_write_uses_zxid=True,
        delete_container_takes_the_frame=True,
        ipv6_acl=False,
        mntr_tells_of_restores=False,
    ),
    "3.9": Version(
        name="3.9.5",
        built="293c895a8d966a3ecb92872be4a1daf87d725da2, built on 2026-02-11 20:18 UTC",
        event_zxid=True,
        exists_checks_acl=True,
        events_check_acl=True,
        check_is_an_operation=False,
        watch_modes_add_up=True,
        recursive_in_both_tables=False,
        check_watches_finds_anybodys=False,
        unwatched_is_remembered=False,
        multi_create_by_mode_alone=False,
        malformed_write_uses_zxid=False,
        delete_container_takes_the_frame=False,
        ipv6_acl=True,
        mntr_tells_of_restores=True,
    ),
}
DEFAULT = "3.9"
