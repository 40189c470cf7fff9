"""Replies that are not what the server said: no fault does that, and a client may meet it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zkfake._channel.channel import Stream
from zkfake._channel.rules import ChannelRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


@contextmanager
def tampered(
    change: Callable[[ChannelRequest, bytes], bytes], silent: Collection[Any] = ()
) -> Iterator[None]:
    """While it lasts, each reply on any channel becomes what ``change`` makes of it, given the
    request and the whole frame. Nothing but its end is heard of a channel in ``silent``.
    """
    send = Stream.send

    def tamper(stream: Stream, data: bytes, tag: Any = None) -> None:
        channel = stream._channel
        if stream is channel.downstream:
            if isinstance(tag, ChannelRequest):
                data = change(tag, data)
            if data and channel in silent:
                return
        send(stream, data, tag)

    Stream.send = tamper  # type: ignore[method-assign]
    try:
        yield
    finally:
        Stream.send = send  # type: ignore[method-assign]
