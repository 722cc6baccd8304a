"""HTTP/1.1 as it is cheap for many requests: kept alive, and read by a few lines."""

import socket
from contextlib import suppress

from tests.fuzz.envelopes import HttpReply

Address = tuple[str, int]
SECONDS = 20.0


class NoReplyError(Exception):
    """The connection ended, or stayed silent, in place of an answer."""


class Connection:
    """Keeps a connection to the gateway; a new one where the gateway closed it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._unread = b""
        self._request = b""
        self._is_fresh = True

    def start(self, request: bytes) -> None:
        """Sends what `finish` then reads the answer to."""
        self._request = request
        self._is_fresh = self._socket is None
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=SECONDS)
        # The gateway may close before it has read all; then its answer says so.
        with suppress(OSError):
            self._socket.sendall(request)

    def finish(self) -> HttpReply | str:
        """The answer, or why there is none."""
        try:
            reply = self._read(is_head=self._request.startswith(b"HEAD "))
        except NoReplyError as error:
            self.close()
            if self._is_fresh:
                return f"no answer: {error}"
            # Perhaps because of the request before it.
            self.start(self._request)
            return self.finish()
        if reply.headers.get("connection") == "close":
            self.close()
        return reply

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._unread = None, b""

    def _receive(self) -> None:
        if self._socket is None:
            raise NoReplyError("closed")
        try:
            data = self._socket.recv(262_144)
        except OSError as error:
            raise NoReplyError(type(error).__name__) from None
        if not data:
            raise NoReplyError("closed")
        self._unread += data

    def _read(self, *, is_head: bool) -> HttpReply:
        while True:
            while b"\r\n\r\n" not in self._unread:
                self._receive()
            head, _, self._unread = self._unread.partition(b"\r\n\r\n")
            status, headers = parsed_head(head)
            if status >= 200:
                break
        if is_head:
            return HttpReply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return HttpReply(status, headers, self._chunks())
        return HttpReply(status, headers, self._bytes(int(headers.get("content-length", 0))))

    def _bytes(self, length: int) -> bytes:
        while len(self._unread) < length:
            self._receive()
        found, self._unread = self._unread[:length], self._unread[length:]
        return found

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._unread:
                self._receive()
            size, _, self._unread = self._unread.partition(b"\r\n")
            chunk = self._bytes(int(size, 16) + 2)[:-2]
            if not chunk:
                return body
            body += chunk


def parsed_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    return int(lines[0].split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


def whole(head: bytes, body: bytes, framing: str) -> bytes:
    """The request with the headers that say how long its body is."""
    match framing:
        case "none":
            return head + b"\r\n\r\n"
        case "chunked":
            chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            return head + b"\r\ntransfer-encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
        case "length":
            return head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    return head + body
