"""The log: JSON lines of bounded length, without the texts of exceptions and of libraries.

Both may hold what a caller sent: grpcio logs a token that is not ASCII, and a reset connection is
an exception with addresses in its text. So an exception is its type and place, and a library is
quoted only where its message is known to hold nothing else.
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
_WITHHELD = "a library logged something"
# Templates, without what is filled in. They say what an operator could act upon; where in the
# library the other messages come from is in the line.
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
    """Passes on what libraries log, but not their words."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            # Not every message is a text.
            str(record.msg) if str(record.msg) in _QUOTED else _WITHHELD,
            logger=record.name,
            logged_at=f"{record.pathname}:{record.lineno} {record.funcName}",
            exc_info=record.exc_info,
        )


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    structlog.get_logger().error("a thread ended by an exception", exc_info=ended.exc_value)


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
    """A value that a line may hold; what was cut is counted."""
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
    # Nothing of ours; its text is bounded, and its text alone.
    return _cut(str(value))
