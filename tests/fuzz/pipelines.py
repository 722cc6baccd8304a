"""The pipelines of all services inside this process, with a real store and without a network."""

import os
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from services.runtime.call import Call, CallContext
from services.runtime.errors import CallEndedError, Failure
from services.runtime.methods import Kind
from services.runtime.pipeline import LongUnary, Stream, Unary
from services.runtime.service import Service
from services.suite import SUITE
from tests.fuzz import statuses
from tests.fuzz.inputs import PipelineInput, fill
from tests.stack.waiting import until

_SLOW_SECONDS = 10.0
# The number of replies that are read from a stream.
_REPLIES = 3
_DETAILS = "grpc-status-details-bin"


class Pipelines:
    """Every method of every service, as a function of bytes."""

    def __init__(self, redis: str, secrets: Mapping[str, str]) -> None:
        os.environ |= {"REDIS_URL": redis, "REDIS_TIMEOUT_SECONDS": "5"}
        self._secrets = secrets
        self._unary: dict[str, Unary] = {}
        self._streams: dict[str, Stream] = {}
        for service in SUITE:
            self._add(import_module(f"services.{service.name}.composition").build())

    def _add(self, service: Service) -> None:
        service.start_background()
        until(lambda: _is_ready(service), "the store answers")
        pipeline = service.pipeline
        for method in service.methods.of(Kind.SHORT):
            self._unary[method.path] = pipeline.unary(method)
        for method in service.methods.of(Kind.LONG):
            self._unary[method.path] = _at_once(pipeline.long_unary(method))
        for method in service.methods.of(Kind.STREAM):
            self._streams[method.path] = pipeline.stream(method)

    def call(self, given: PipelineInput) -> CallEndedError | Exception | None:
        """The error of the call; None if it succeeded."""
        context = CallContext(given.seconds)
        token = fill(given.authorization, self._secrets).decode("latin-1")
        call = Call(given.rpc, "", (token,), given.seconds)
        messages = [fill(message, self._secrets) for message in given.messages]
        try:
            if given.rpc in self._unary:
                self._unary[given.rpc](messages[0], call, context)
            else:
                _read(self._streams[given.rpc](iter(messages), call, context), context)
        except Exception as error:
            return error
        finally:
            context.end()
        return None

    def wrong_with(self, given: PipelineInput) -> str | None:
        """What is wrong with the end of the call; None if nothing is."""
        started = time.monotonic()
        error = self.call(given)
        if (seconds := time.monotonic() - started) > _SLOW_SECONDS:
            return f"slow: {seconds:.0f} s"
        if error is None:
            return None
        if not isinstance(error, CallEndedError):
            return f"{type(error).__name__} left the pipeline"
        return statuses.wrong_with(*parts_of(error), has_deadline=given.rpc in self._streams)


def parts_of(error: CallEndedError) -> tuple[int, str, bytes | None]:
    """Code, message and packed details of a failed call."""
    status = error.status
    metadata: dict[str, Any] = dict(status.trailing_metadata or ())
    return status.code.value[0], status.details or "", metadata.get(_DETAILS)


def _is_ready(service: Service) -> bool:
    try:
        service.availability.require()
    except Failure:
        return False
    return True


def _at_once(long: LongUnary) -> Unary:
    return lambda message, call, context: long(lambda: message, call, context)


def _read(replies: Iterator[bytes], context: CallContext) -> None:
    for _ in range(_REPLIES):
        if next(replies, None) is None:
            return
    # As a caller who leaves; closing the generator is what the transport does then.
    context.end()
    replies.close()  # type: ignore[attr-defined]
