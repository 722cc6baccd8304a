"""Counts and logs the calls that Envoy refuses, as the pipeline does for its refusals."""

import json
import os
import threading
import time
from collections.abc import Container, Mapping
from contextlib import suppress
from typing import Any

import grpc

from services.runtime.call import Call
from services.runtime.pipeline import UNKNOWN_METHOD
from services.runtime.telemetry import Telemetry

# All refusals are counted, but in a flood only this many are logged each second.
_LINES_A_SECOND = 20
_CODES: Mapping[int, grpc.StatusCode] = {int(code.value[0]): code for code in grpc.StatusCode}


class Refusals:
    """Reads Envoy's access log from a pipe, in a thread."""

    def __init__(self, paths: Container[str], telemetry: Telemetry) -> None:
        """`paths` are those of the methods; any other path is counted as unknown."""
        self._paths = paths
        self._telemetry = telemetry
        self._second, self._lines = 0, 0

    def start(self, descriptor: int) -> None:
        """Reads until the pipe is closed at the end of the process."""
        arguments = (descriptor,)
        threading.Thread(target=self._read, args=arguments, name="refusals", daemon=True).start()

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, errors="replace") as lines:
            for line in lines:
                # A malformed line must not stop the reading: Envoy would block on a full pipe.
                with suppress(ValueError, LookupError, TypeError):
                    self.count(json.loads(line))

    def count(self, refusal: Mapping[str, Any]) -> None:
        """Counts and logs one line of the access log; limits.py defines its fields."""
        path = refusal["path"] if refusal["path"] in self._paths else UNKNOWN_METHOD
        code = _CODES.get(refusal["code"], grpc.StatusCode.UNKNOWN)
        call = Call(path, refusal["request_id"] or "", (), None)
        # Envoy's own reason, for example "request_payload_too_large"; nothing that was sent.
        why = refusal["why"]
        is_logged = self._is_logged()
        self._telemetry.refused_by_envoy(call, refusal["ms"], code, why, is_logged=is_logged)

    def _is_logged(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        return self._lines <= _LINES_A_SECOND
