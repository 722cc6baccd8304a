"""One gRPC call of an ASGI application: messages in, messages out, and a status."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from levelgate.access.v1.reason_pb2 import REASON_DEADLINE_EXCEEDED
from services.runtime.call import SPELLINGS, Call, CallContext
from services.runtime.envoy_server.wire import (
    PREFIX,
    framed,
    length_of,
    seconds_of,
    status_headers,
    unpacked,
)
from services.runtime.errors import Failure

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# In seconds. A call ends if its caller sends no message, or reads none, for this long.
SILENT_SECONDS = 300.0
NOT_READING_SECONDS = 30.0
# Between two checks whether the caller has left. The pause starts short and doubles; at the longest
# pause, a thousand open streams take a tenth of a core.
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.5
_SUCCESS = [("grpc-status", "0")]


class CallerLeftError(Exception):
    """The caller reset the call or closed its connection."""


class Exchange:
    """For use in the event loop only, except for `context`, which other threads may use."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send, most: int) -> None:
        """`most` is the size of the largest message, in bytes."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))

        def first(name: str) -> str | None:
            return headers.get(name, [None])[0]

        seconds_left = seconds_of(first("grpc-timeout"))
        self.context = CallContext(seconds_left)
        self.call = Call(
            scope["path"],
            first("x-request-id") or "",
            [part for value in headers.get("authorization", ()) for part in value.split(",")],
            seconds_left,
            first(SPELLINGS) or "",
        )
        self._encoding = first("grpc-encoding")
        self._receive = receive
        self._send = send
        self._most = most
        self._unread = bytearray()
        self._is_complete = False
        self._is_begun = False
        self._leaving: asyncio.Task[None] | None = None

    async def only_message(self) -> bytes:
        """Reads the message of a unary call. Raises DecodeError, Failure, CallerLeftError."""
        return (await self.only_packed())()

    async def only_packed(self) -> Callable[[], bytes]:
        """As `only_message`, but returns a function that decompresses the message.

        Decompression takes memory and time, so it waits until the call is admitted.
        """
        packed = await self._packed(SILENT_SECONDS)
        if packed is None or await self._packed(SILENT_SECONDS) is not None:
            raise DecodeError("not one message")
        return lambda: unpacked(*packed, self._encoding, self._most)

    async def message(self, silent_seconds: float = SILENT_SECONDS) -> bytes | None:
        """Reads the next message; None after the last one. Raises Failure, CallerLeftError."""
        packed = await self._packed(silent_seconds)
        return None if packed is None else unpacked(*packed, self._encoding, self._most)

    async def _packed(self, silent_seconds: float) -> tuple[int, bytes] | None:
        """Reads the compression flag and the bytes of the next message."""
        while True:
            if len(self._unread) >= PREFIX:
                end = PREFIX + length_of(self._unread[:PREFIX], self._most)
                if len(self._unread) >= end:
                    flag, packed = self._unread[0], bytes(self._unread[PREFIX:end])
                    del self._unread[:end]
                    return flag, packed
            if self._is_complete:
                # An incomplete message at the end is ignored.
                return None
            await self._read(silent_seconds)

    async def _read(self, silent_seconds: float) -> None:
        event = await self._event(silent_seconds)
        if event["type"] != "http.request":
            self.context.end()
            raise CallerLeftError
        self._unread += event.get("body", b"")
        self._is_complete = not event.get("more_body", False)
        if self._is_complete:
            # The only event that can still come is that the caller has left.
            self._leaving = asyncio.create_task(self._wait_until_left())

    async def _event(self, silent_seconds: float) -> Mapping[str, Any]:
        try:
            event: Mapping[str, Any] = await asyncio.wait_for(
                _shielded(self._receive()), silent_seconds
            )
        except TimeoutError:
            message = f"no message came for {silent_seconds:.0f} s"
            raise Failure(REASON_DEADLINE_EXCEEDED, message) from None
        return event

    async def _wait_until_left(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while (await _shielded(self._receive()))["type"] != "http.disconnect":
            # pyvoy returns immediately: without a pause, one open stream took a whole core.
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self.context.end()

    def close(self) -> None:
        """Ends the context, and stops waiting for the caller to leave."""
        self.context.end()
        if self._leaving is not None:
            self._leaving.cancel()

    async def reply(self, message: bytes) -> None:
        """Sends a message. Raises CallerLeftError."""
        await self._begin(self.context.initial_metadata)
        body = {"type": "http.response.body", "body": framed(message), "more_body": True}
        await self._send_or_leave(body)

    async def end(self, status: grpc.Status | None = None) -> None:
        """Sends the status, None for OK."""
        headers = _SUCCESS if status is None else status_headers(status)
        with suppress(CallerLeftError):
            if not self._is_begun:
                await self._begin(headers, is_last=True)
                await self._send_or_leave({"type": "http.response.body", "body": b""})
            else:
                await self._send_or_leave({"type": "http.response.body", "body": b""})
                trailers = {"type": "http.response.trailers", "headers": _encoded(headers)}
                await self._send_or_leave(trailers)

    async def _begin(self, headers: list[tuple[str, str]], *, is_last: bool = False) -> None:
        if self._is_begun:
            return
        self._is_begun = True
        await self._send_or_leave(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": _encoded([("content-type", "application/grpc"), *headers]),
                "trailers": not is_last,
            }
        )

    async def _send_or_leave(self, event: Mapping[str, Any]) -> None:
        try:
            await asyncio.wait_for(_shielded(self._send(event)), NOT_READING_SECONDS)
        except (OSError, TimeoutError):
            # pyvoy's ClientDisconnectedError is an OSError.
            self.context.end()
            raise CallerLeftError from None


def _shielded(step: Awaitable[Any]) -> asyncio.Future[Any]:
    """Prevents a timeout from cancelling a step, because pyvoy completes it in any case."""
    return asyncio.shield(asyncio.ensure_future(step))


def _encoded(headers: list[tuple[str, str]]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers]
