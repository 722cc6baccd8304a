"""A store that is 2.5 ms away: a proxy that passes bytes on in both directions with a delay.

Arguments: the port to listen on, and the store's port.
"""

import asyncio
import selectors
import sys
import time
from contextlib import suppress

HOST = "127.0.0.1"
# The proxy itself takes 0.25 ms each way, measured with PING.
ONE_WAY_SECONDS = 0.001


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data:
                return writer.close()
            writer.write(data)

    writing = asyncio.create_task(write())
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            await waiting.put((time.monotonic() + ONE_WAY_SECONDS, data))
    await waiting.put((0.0, b""))
    await writing


async def serve(port: int, store: int) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(HOST, store)
        await asyncio.gather(pass_on(reader, other_writer), pass_on(other_reader, writer))

    async with await asyncio.start_server(accept, HOST, port) as server:
        await server.serve_forever()


def main() -> int:
    # epoll waits for whole milliseconds, select for microseconds.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(serve(int(sys.argv[1]), int(sys.argv[2])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
