"""One client connection: uvicorn's httptools protocol, bounded in size and time until a request is complete.

uvicorn puts none: a head without end would fill the memory, a byte per minute would hold a socket for ever
(DO-02, DO-11). httptools is the parser because its rules are strict (HT-05).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from innkeeper.server.web import overload
from innkeeper.server.web.overload import Load
from innkeeper.server.web.request_head import CLOSE, MAX_HEADERS_BYTES, MAX_TARGET_BYTES

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

REQUESTS_UNDER_WAY: Final = 512
REQUEST_TIMEOUT_S: Final = 20.0
LAST_CALL_S: Final = 1.0
MAX_HEAD_BYTES: Final = MAX_TARGET_BYTES + MAX_HEADERS_BYTES + 4 * 1024
_NOTHING_MORE: Final = b"content-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"


class OneSegment:
    """A transport for uvicorn, which writes head and body apart: they leave together, in one system call."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Sent at the end of this turn of the event loop."""
        if not self._waiting:
            self._call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """What was written before is still sent."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            if not self._transport.is_closing():  # the client may have gone meanwhile
                self._transport.write(data)


class HeadRefused(Exception):
    """Ends the parser from inside one of its callbacks."""


class BoundedConnection(HttpToolsProtocol):
    """Give this class to uvicorn as `http`; what `bounded` makes of it for a bound of one's own."""

    load = Load(REQUESTS_UNDER_WAY)
    _awaits_body = False
    _is_turned_away = False
    _in_head = False
    _in_request = False
    _head_bytes = 0
    _is_last = False
    _refused_with = 400
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection that says nothing is closed like an idle one."""
        super().connection_made(OneSegment(transport, self.loop))  # type: ignore[arg-type]
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """In the usual case the request is complete now, and nothing more happens."""
        super().data_received(data)
        if self._in_request or self._is_idle():
            self._watch(len(data))
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._body_has_ended()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The parser's first call for a request."""
        super().on_message_begin()
        self._in_head = self._in_request = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Called for each piece of it."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._refuse(414)

    def on_headers_complete(self) -> None:
        """Only origin-form: an absolute target names a host that we do not want to know (HT-01)."""
        self._in_head = False
        if self.url[:1] != b"/" or b"#" in self.url:
            self._refuse(400)
        self._is_turned_away = self._is_too_much()
        if self._is_turned_away:
            return
        super().on_headers_complete()
        if self._is_last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Of a request that is turned away nothing is kept."""
        if not self._is_turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is here to its end: from now on the request costs something, and meanwhile there may be enough."""
        self._in_request = False
        if self._awaits_body and not self.cycle.response_started and self._is_full():
            self._take_from_its_task()
        self._body_has_ended()
        if self._is_turned_away:
            self._turn_away()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Whatever is still to come of its body, nobody waits for it; the next one of a pipeline starts."""
        self._body_has_ended()
        super().on_response_complete()

    def shutdown(self) -> None:
        """At the end of the server: what was asked before it is answered, and nothing after it.

        A request may be on its way on a connection that looks idle: cut off, it could not be sent again safely.
        """
        self._is_last = True
        if self._is_idle():
            self.flow.resume_reading()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(LAST_CALL_S, self.timeout_keep_alive_handler)
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what its parser refused, with our status."""
        self._in_request = False
        self.transport.write(STATUS_LINE[self._refused_with] + _NOTHING_MORE)
        self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """At once, or when the one ahead of it in a pipeline was answered: what has no task is taken off none."""
        super()._start_asgi_task(cycle, app)
        if cycle.more_body:
            self._awaits_body = True
            self.load.awaiting_body += 1

    def _is_full(self) -> bool:
        return self.load.is_full(len(self.tasks)) and not overload.is_always_answered(self.url)

    def _is_too_much(self) -> bool:
        if not self._is_full():
            return False
        # A pipelined request waits for the one before it: answered now, it would be taken for that one's answer.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _take_from_its_task(self) -> None:
        """Which waits for the body and has done nothing yet. To it the client is gone."""
        self._is_turned_away = True
        self.cycle.disconnected = self.cycle.response_complete = True
        self.cycle.message_event.set()

    def _turn_away(self) -> None:
        self.load.turn_away()
        is_last = (
            self._is_last or not self.parser.should_keep_alive() or CLOSE in self.server_state.default_headers
        )
        is_head = self.parser.get_method() == b"HEAD"
        self.transport.write(overload.answer(is_head=is_head, is_last=is_last))
        if is_last:
            self.transport.close()
        else:
            # Who does not wait as told is not heard meanwhile: else saying no could fill the whole day.
            self._unset_keepalive_if_required()
            self.flow.pause_reading()
            self.timeout_keep_alive_task = self.loop.call_later(overload.RETRY_AFTER_S, self._listen_again)

    def _listen_again(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _body_has_ended(self) -> None:
        if self._awaits_body:
            self._awaits_body = False
            self.load.awaiting_body -= 1

    def _is_idle(self) -> bool:
        """Nothing begun, nothing being answered: the parser skips line breaks before a request (RFC 9112 §2.2).

        uvicorn takes them for a sign of life and forgets its own limit, so they would hold the socket for ever.
        """
        if self._in_request:
            return False
        # None before the first request, whatever its annotation says.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _refuse(self, status: int) -> None:
        self._refused_with = status
        raise HeadRefused

    def _watch(self, received_bytes: int) -> None:
        if self._in_head:
            self._head_bytes += received_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refused_with = 431
                self.send_400_response("")
                return
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_TIMEOUT_S, self._give_up)

    def _give_up(self) -> None:
        if (self._in_request or self._is_idle()) and not self.transport.is_closing():
            self.transport.close()


def bounded(requests_under_way: int) -> type[BoundedConnection]:
    """Connections of one server, which together have no more requests under way than this."""
    return type("Connection", (BoundedConnection,), {"load": Load(requests_under_way)})
