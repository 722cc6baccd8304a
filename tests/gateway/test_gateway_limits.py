"""The number of calls in progress on one connection."""

import socket
import struct
from collections import Counter

from tests.gateway.http2 import (
    MAX_CONCURRENT_STREAMS,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    frames,
    greeting,
    unfinished,
)
from tests.gateway.running import Gateway

STREAMS = 256
CHECK = b"/upbot/api/CheckStarState"


def test_a_connection_may_have_256_calls_in_progress_and_further_ones_are_refused(
    gateway: Gateway,
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=1) as connection:
        connection.sendall(greeting())
        for number in range(STREAMS + 20):
            connection.sendall(unfinished(2 * number + 1, CHECK))
        found = list(frames(connection))
    settings = next(each for each in found if each.type == SETTINGS and each.payload)
    values = dict(struct.iter_unpack("!HI", settings.payload))
    assert values[MAX_CONCURRENT_STREAMS] == STREAMS
    resets = Counter(
        struct.unpack("!I", each.payload)[0] for each in found if each.type == RST_STREAM
    )
    assert resets == {REFUSED_STREAM: 20}
    assert gateway.client.get("/show").status_code == 200
