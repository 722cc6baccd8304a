"""Sends the requests: with h2load if all are the same, otherwise with bench/many.py."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Self

from bench import many
from bench.launch import HOST
from bench.many import AT_A_TIME


@dataclass(frozen=True)
class Target:
    """One way to answer a request, and the processes whose CPU time is counted."""

    name: str
    port: int
    path: str
    processes: Sequence[str]
    is_grpc: bool = False
    is_cold: bool = False
    body: str = "check"
    host: str = HOST

    def for_new_users(self, name: str) -> Self:
        return replace(self, name=name, is_cold=True)


def require_h2load() -> None:
    if shutil.which("h2load") is None:
        sys.exit("h2load is missing; Debian has it in nghttp2-client")


@dataclass
class Generator:
    """The load generator. Its methods raise ValueError if a request was not answered with 200."""

    directory: Path
    token: str
    new_users: Iterator[str]
    """Users whom no target was asked about yet."""

    def add_body(self, name: str, message: bytes, document: object = None) -> None:
        """Stores the request of the targets with this `body`, as a gRPC frame and as JSON."""
        (self.directory / f"{name}.grpc").write_bytes(b"\0" + len(message).to_bytes(4) + message)
        (self.directory / f"{name}.json").write_text(json.dumps(document))

    def send(self, target: Target, count: int) -> float:
        """Sends as fast as possible; returns requests a second."""
        if target.is_cold:
            return self._send_for_new_users(target, count)
        out = self._run(target, ["-n", str(count)], count)
        found = re.search(r"finished in .*?, ([\d.]+) req/s", out)
        return float(found[1]) if found else 0.0

    def _send_for_new_users(self, target: Target, count: int) -> float:
        users = list(islice(self.new_users, count))
        if len(users) < count:
            raise ValueError("there are not enough new users")
        send = many.send_grpc if target.is_grpc else many.send_json
        try:
            return count / send(target.port, target.path, self.token, users)
        except ValueError as error:
            raise ValueError(f"{target.name}: {error}") from error

    def latencies(self, target: Target, rate: float, count: int) -> list[float]:
        """The seconds of each request, sorted, at `rate` requests a second."""
        log = self.directory / "latencies.log"
        log.unlink(missing_ok=True)
        options = ["-n", str(count), f"--rps={rate / AT_A_TIME:.2f}", f"--log-file={log}"]
        self._run(target, options, count)
        return sorted(int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines())

    def _run(self, target: Target, options: Sequence[str], count: int) -> str:
        headers = ["-H", f"authorization: {self.token}", "-H", f":authority: {target.host}"]
        if target.is_grpc:
            headers += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
            clients = ["-c", "1", "-m", str(AT_A_TIME)]
        else:
            headers += ["-H", "content-type: application/json"]
            clients = ["-c", str(AT_A_TIME), "--h1"]
        body = self.directory / f"{target.body}.{'grpc' if target.is_grpc else 'json'}"
        command = ["h2load", "-t1", *clients, *options, *headers, "-d", str(body)]
        command.append(f"http://{HOST}:{target.port}{target.path}")
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        good = re.search(r"status codes: (\d+) 2xx", done.stdout)
        if good is None or int(good[1]) != count:
            raise ValueError(f"{target.name}: not every request was answered:\n{done.stdout}")
        return done.stdout
