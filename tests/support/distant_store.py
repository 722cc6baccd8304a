"""A distant store: a TCP proxy that delays what the store sends.

`python -m tests.support.distant_store PORT SECONDS` prints the proxy's port and runs until it is
stopped. It is a separate process so that it does not share Python's lock with the measured code.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def distant(port: int, seconds: float) -> Iterator[int]:
    """Yields a port that leads to `port`; a round trip takes `seconds` longer."""
    command = [sys.executable, "-m", __spec__.name, str(port), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while data := await reader.read(65_536):
            # Later bytes do not wait for earlier ones: a network delays bytes, but in parallel.
            loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


async def _serve(port: int, seconds: float) -> None:
    # The whole delay is in one direction, because asyncio rounds each wait up to a millisecond.
    async def connected(near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        far, to_far = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_carry(near, to_far, 0), _carry(far, to_near, seconds))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
