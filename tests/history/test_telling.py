"""What events say in the words of whoever tells of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zkfake._history.telling import Telling
from zkfake._protocol.jute import pack_int
from zkfake._protocol.records import pack_connect_response
from zkfake.history import Fault, Reply, ServerEvent

IDS = st.integers(-(2**63), 2**63 - 1).filter(bool)


@given(known=IDS, unknown=IDS)
def test_a_servers_event_names_the_client_of_a_session(known: int, unknown: int) -> None:
    given = pack_connect_response(8000, known, bytes(16), None)
    shaken = Reply(0.0, "one", 1, 1, 0, "connect", (), 0, 0, pack_int(len(given)) + given)
    tell = Telling([shaken])
    for session in (known, unknown):
        who, what = tell(ServerEvent(1.0, 2, 1, "expires session", f"{session:#x}, late"))
        named = "the session of one" if session == known else f"{session:#x}"
        assert (who, what) == ("server 2", f"expires session: {named}, late")


def test_a_rule_that_calls_a_nameless_function_is_told_of_without_it() -> None:
    telling = Telling([])
    nameless = Fault(1.0, "upon: <lambda>", "request 3 of ann: create /a")
    named = Fault(1.0, "upon: its_server_dies", "request 3 of ann: create /a")
    assert telling(nameless) == ("fault", "upon request 3 of ann: create /a")
    assert telling(named) == ("fault", "upon: its_server_dies: request 3 of ann: create /a")
