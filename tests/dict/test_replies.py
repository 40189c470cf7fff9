"""What becomes of kazoo's answers: a value, nothing, an error, or no answer at all."""

import pytest
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionClosedError,
    ConnectionLoss,
    NoAuthError,
    NoNodeError,
    OperationTimeoutError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
)
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.states import ZnodeStat

from zkdict._copy.replies import (
    LOST,
    UnreadableReply,
    answer_of,
    applied,
    check_multi,
    unreadable_reply,
    znode,
)


def test_answers() -> None:
    handler = SequentialThreadingHandler()
    result = handler.async_result()
    # A closed client answers the last request of a batch while the ones before it wait.
    assert answer_of(result) is LOST
    result.set(("data", "stat"))
    assert answer_of(result) == ("data", "stat")
    result.set_exception(error := NoAuthError())
    assert answer_of(result) is error
    result.set_exception(error := ValueError("whatever it is"))
    assert isinstance(answer_of(result), UnreadableReply)
    assert answer_of(result).__cause__ is error
    result.set_exception(NoNodeError())
    assert answer_of(result) is None


@pytest.mark.parametrize(
    "error",
    [
        ConnectionLoss,
        ConnectionClosedError,
        SessionExpiredError,
        OperationTimeoutError,
        AuthFailedError,
    ],
)
def test_no_answer(error: type[Exception]) -> None:
    result = SequentialThreadingHandler().async_result()
    result.set_exception(error())
    assert answer_of(result) is LOST


def test_a_failed_multi_was_not_applied() -> None:
    assert applied(["/a", "stat"])
    assert not applied([NoNodeError(), "stat"])
    assert applied(None)


def test_null_data_is_no_bytes() -> None:
    stat = ZnodeStat(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7)
    assert znode(None, stat).raw == b""
    assert znode(b"x", stat).raw == b"x"


def test_the_reply_to_a_multi() -> None:
    """One answer of its kind for each operation, or one exception for each, and one reason."""
    stat = ZnodeStat(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7)
    kinds = [ZnodeStat, str]
    for good in (
        [stat, "/a"],
        [NoNodeError(), RuntimeInconsistency()],
        [RolledBackError(), NoNodeError()],
    ):
        check_multi(good, kinds)
    for bad in ([], [stat], [stat, "/a", True], ["/a", stat], [stat, NoNodeError()]):
        with pytest.raises(UnreadableReply):
            check_multi(bad, kinds)
    with pytest.raises(UnreadableReply):
        check_multi([RolledBackError(), RuntimeInconsistency()], kinds)


def test_what_an_unreadable_reply_tells() -> None:
    error = unreadable_reply("it is too short")
    assert str(error) == "the server's reply cannot be read: it is too short"
    assert error.__cause__ is None
    raised = KeyError("a")
    error = unreadable_reply(raised)
    assert str(error) == "the server's reply cannot be read: KeyError: 'a'"
    assert error.__cause__ is raised
