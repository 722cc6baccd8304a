"""What the benchmarks start: a process that ends is not waited for, a taken port is replaced."""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.launch import HOST, EndedError, Launch, Processes, free_port, status


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    running = Processes(tmp_path)
    yield running
    running.stop()


def test_a_process_that_ends_is_not_waited_for(processes: Processes) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('its last line')"]
    began = time.monotonic()
    with pytest.raises(EndedError, match="its last line"):
        processes.start("short", lambda _port: Launch(command, {}, lambda: False))
    assert time.monotonic() - began < 10


def test_another_port_is_used_where_one_is_taken(processes: Processes) -> None:
    tried = []

    def launch(port: int) -> Launch:
        tried.append(port)
        # As if somebody had taken the first port since it was found free.
        used = taken.getsockname()[1] if len(tried) == 1 else port
        command = [sys.executable, "-m", "http.server", "--bind", HOST, str(used)]
        return Launch(command, {}, lambda: status(f"http://{HOST}:{port}/") == 200)

    with socket.create_server((HOST, 0)) as taken:
        processes.start("server", launch)
    assert processes.ports["server"] == tried[1]
    assert len(tried) == 2


def test_free_ports_are_below_those_of_connections() -> None:
    with socket.create_server((HOST, 0)) as server, socket.socket() as connection:
        connection.connect(server.getsockname())
        assert free_port() + 1 < connection.getsockname()[1]


def test_cpu_time_is_that_of_all_threads_and_children(processes: Processes) -> None:
    """A thread that has ended, and a child that goes on, of 0.2 s each."""
    burn = "import sys, time\nwhile time.thread_time() < 0.2: pass\n"
    code = (
        f"import subprocess, sys, threading, time\nburn = {burn!r}\n"
        "thread = threading.Thread(target=exec, args=(burn,))\nthread.start()\nthread.join()\n"
        # It ends with its parent, whose end of the pipe is closed then.
        "child = [sys.executable, '-c', burn + 'print(1, flush=True); sys.stdin.read()']\n"
        "subprocess.Popen(child, stdin=subprocess.PIPE).wait()\n"
    )
    log = processes.directory / "burning.log"
    command = [sys.executable, "-c", code]
    processes.start("burning", lambda _port: Launch(command, {}, lambda: "1" in log.read_text()))
    assert processes.cpu_seconds(["burning"]) > 0.4
