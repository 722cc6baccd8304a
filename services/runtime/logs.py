"""The log: JSON lines of bounded length, without the texts of exceptions and of libraries.

Both texts may contain what a caller sent: grpcio logs a token that is not ASCII, and the exception
for a reset connection contains addresses. So an exception is logged as its type and place, and a
library's message is logged only if it is known to contain nothing that was sent.
"""

import logging
import sys
import threading
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_FRAMES = 6
_MOST_CHARACTERS = 1_000
_MOST_ENTRIES = 20
_WITHHELD = "a library logged a message, which is withheld"
# Templates of messages that help an operator; they are logged without their values. For all other
# messages, the line says where in the library they were logged.
_QUOTED = frozenset(
    {
        "Invalid encoding on %s",
        "Exception deserializing message!",
        "Exception serializing message!",
    }
)


def configure_logging(service: str, level: str) -> None:
    """Sends the logs of this process, libraries included, to standard output as JSON lines."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception_without_text,
            _named(service),
            _bounded,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)
    threading.excepthook = _thread_ended


class _Libraries(logging.Handler):
    """Logs that a library logged something, without its message."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            # A message need not be a string.
            str(record.msg) if str(record.msg) in _QUOTED else _WITHHELD,
            logger=record.name,
            logged_at=f"{record.pathname}:{record.lineno} {record.funcName}",
            exc_info=record.exc_info,
        )


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    structlog.get_logger().error("a thread ended with an exception", exc_info=ended.exc_value)


def _named(service: str) -> Processor:
    def add_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"service": service, **event}

    return add_name


def _exception_without_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        event["exception"] = type(error).__qualname__
        event["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _bounded(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _cut(value) for name, value in event.items()}


def _cut(value: Any) -> Any:
    """Shortens a value for a line, and counts what was left out."""
    if isinstance(value, str):
        more = len(value) - _MOST_CHARACTERS
        if more <= 0:
            return value
        return f"{value[:_MOST_CHARACTERS]}… and {more} more characters"
    if isinstance(value, list | tuple):
        more = len(value) - _MOST_ENTRIES
        kept = [_cut(each) for each in value[:_MOST_ENTRIES]]
        return [*kept, f"… and {more} more entries"] if more > 0 else kept
    if value is None or isinstance(value, bool | int | float):
        return value
    # We log no other types, but a library may; only the text of such a value can be shortened.
    return _cut(str(value))
