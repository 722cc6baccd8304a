"""The WSGI application that answers short unary calls, on threads of pyvoy."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.runtime.call import Call, CallContext
from services.runtime.envoy_server.config import COMPLETE_CALL
from services.runtime.envoy_server.wire import framed, only_message, seconds_of, status_headers
from services.runtime.errors import CallEndedError
from services.runtime.pipeline import Pipeline, Unary

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

_HEADERS = [("content-type", COMPLETE_CALL)]


class ShortCalls:
    """Envoy calls it once a request is complete, because the filter `buffer` comes first.

    A reply is sent as one complete body, so that no thread waits for a client that does not read;
    the filter `grpc_http1_reverse_bridge` adds the trailers. With a generator that sends the
    trailers itself, four connections whose clients did not read blocked all threads.
    """

    def __init__(self, methods: Mapping[str, Unary], pipeline: Pipeline, most: int) -> None:
        """`most` is the size of the largest message, in bytes."""
        self._methods = methods
        self._pipeline = pipeline
        self._most = most

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            body = environ["wsgi.input"].read()
        except RuntimeError:
            # The caller reset the call while it waited for a thread. Without this empty response,
            # pyvoy would write two lines to the log for each such call.
            start_response("200 OK", [])
            return ()
        call, context = _call_of(environ)
        if environ.get("CONTENT_TYPE") != COMPLETE_CALL:
            # Not gRPC: the previous filter sets this content type on every gRPC call.
            self._pipeline.refuse_unknown(call)
            start_response("415 Unsupported Media Type", [("content-type", "text/plain")])
            return (b"this port speaks gRPC\n",)
        try:
            reply = self._answer(environ, body, call, context)
        except CallEndedError as ended:
            start_response("200 OK", [*_HEADERS, *status_headers(ended.status)])
            return ()
        finally:
            context.end()
        start_response("200 OK", [*_HEADERS, *context.initial_metadata])
        return (framed(reply),)

    def _answer(self, environ: Environ, body: bytes, call: Call, context: CallContext) -> bytes:
        answer = self._methods.get(call.method)
        if answer is None:
            raise self._pipeline.refuse_unknown(call)
        try:
            message = only_message(body, environ.get("HTTP_GRPC_ENCODING"), self._most)
        except Exception as error:
            raise self._pipeline.failed(call, error) from None
        return answer(message, call, context)


def _call_of(environ: Environ) -> tuple[Call, CallContext]:
    seconds_left = seconds_of(environ.get("HTTP_GRPC_TIMEOUT"))
    authorization = environ.get("HTTP_AUTHORIZATION")
    call = Call(
        environ["PATH_INFO"],
        environ.get("HTTP_X_REQUEST_ID", ""),
        # WSGI joins repeated headers with commas, and no token contains a comma.
        () if authorization is None else authorization.split(","),
        seconds_left,
        environ.get("HTTP_X_LEVELGATE_SPELLINGS", ""),
    )
    return call, CallContext(seconds_left)
