"""`python -m bench.members`: what it costs to count, list and search a million members.

It prints a table with the machine's load. Everything goes through a real member_level and a real
store with operations/deployment/store.conf; the members are written directly to the store, by the
code that the service uses.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from zlib import crc32

from bench.processes import Bench, running
from bench.state import MEDIUM, name_of, points_of, write_members
from levelgate.member.v1.member_level_pb2 import ShowUserRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.member.v1.members_pb2 import (
    CountMembersRequest,
    GetMemberRequest,
    ListMembersRequest,
    SearchMembersRequest,
)
from levelgate.member.v1.members_pb2_grpc import MembersStub
from services.rules.rule_book import RuleBook
from services.store.keys import BUCKET_COUNT, Buckets
from services.user_state.bulk import BulkUsers
from services.user_state.rows import Row

ROUNDS = 9
IN_ONE_BUCKET = 100_000
_NO_SUCH_PREFIX = "~"


@dataclass
class Times:
    """The seconds of each call, and of the ShowUser calls of another caller meanwhile."""

    calls: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    longest_block: tuple[float, str] = (0, "")

    def line(self, what: str) -> str:
        median, worst = statistics.median(self.calls), max(self.calls)
        percentile = sorted(self.others)[int(len(self.others) * 0.99)] if self.others else 0
        block, command = self.longest_block
        return (
            f"{what:<44} {median * 1000:>7.1f} ms  {worst * 1000:>7.1f} ms"
            f"  {percentile * 1000:>6.1f} ms  {block:>4.1f} ms {command}"
        )


@contextmanager
def another_caller(bench: Bench, seconds: list[float]) -> Iterator[None]:
    """Calls ShowUser one time after the other."""
    stub, stop = MemberLevelStub(bench.channel), threading.Event()

    def call() -> None:
        while not stop.wait(0.002):
            started = time.perf_counter()
            stub.ShowUser(ShowUserRequest(user_id=name_of(7)), metadata=bench.metadata)
            seconds.append(time.perf_counter() - started)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def timed(bench: Bench, call: Callable[[], object], rounds: int = ROUNDS) -> Times:
    found = Times()
    bench.longest_block()
    with another_caller(bench, found.others):
        for _ in range(rounds):
            started = time.perf_counter()
            call()
            found.calls.append(time.perf_counter() - started)
    found.longest_block = bench.longest_block()
    return found


def whole_search(bench: Bench, prefix: str, times: list[float]) -> int:
    """Searches to the end of the store; returns how many members were found."""
    stub, found, cursor = MembersStub(bench.channel), 0, ""
    while True:
        request = SearchMembersRequest(prefix=prefix, cursor=cursor)
        started = time.perf_counter()
        page = stub.SearchMembers(request, metadata=bench.metadata).data
        times.append(time.perf_counter() - started)
        found += len(page.members)
        cursor = page.next_cursor
        if not cursor:
            return found


def measure(bench: Bench) -> Iterator[str]:
    stub, header = MembersStub(bench.channel), bench.metadata
    middle = ListMembersRequest(level=3, min_points=1_900)
    calls: dict[str, Callable[[], object]] = {
        "an empty call, ShowUser": lambda: None,
        "CountMembers": lambda: stub.CountMembers(CountMembersRequest(), metadata=header),
        "ListMembers, the first 100": lambda: stub.ListMembers(
            ListMembersRequest(level=3), metadata=header
        ),
        "ListMembers, 100 from 1,900 points": lambda: stub.ListMembers(middle, metadata=header),
        "ListMembers, the first 1,000": lambda: stub.ListMembers(
            ListMembersRequest(level=3, page_size=1_000), metadata=header
        ),
        "SearchMembers, one call, dense prefix": lambda: stub.SearchMembers(
            SearchMembersRequest(prefix="0"), metadata=header
        ),
        "GetMember": lambda: stub.GetMember(GetMemberRequest(user_id=name_of(77)), metadata=header),
    }
    for what, call in calls.items():
        yield timed(bench, call).line(what)
    for prefix in (_NO_SUCH_PREFIX, name_of(0xABCDE)[:-2]):
        each: list[float] = []
        whole = timed(bench, partial(whole_search, bench, prefix, each), 3)
        yield whole.line(f"a whole search for {prefix}")
        yield f"  {len(each) // 3} calls each, the longest one {max(each):.2f} s"


def names_of_one_bucket(count: int) -> Iterator[str]:
    """Ids that all have the same bucket, as nobody's ids do by chance.

    The effect of the last characters on a CRC does not depend on the characters before them, so one
    table of endings serves all names.
    """
    endings = [f"{number:06d}" for number in range(100_000)]
    of_effect = {(crc32(end.encode()) ^ crc32(b"000000")) % BUCKET_COUNT: end for end in endings}
    for number in range(count):
        name = f"b{number:09d}"
        yield name + of_effect[crc32(f"{name}000000".encode()) % BUCKET_COUNT]


def fill_one_bucket(bench: Bench) -> None:
    store = bench.client()
    thresholds = RuleBook(store).book().thresholds
    rows = [Row(name, points_of(n)) for n, name in enumerate(names_of_one_bucket(IN_ONE_BUCKET))]
    BulkUsers(store, Buckets()).write(rows, thresholds)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory, running(Path(directory) / "store") as bench:
        sys.stderr.write("writing the members ...\n")
        write_members(bench, range(MEDIUM))
        sys.stdout.write(f"{'call':<44} {'median':>10}  {'longest':>10}  {'others':>9}  block\n")
        for line in measure(bench):
            print(line, flush=True)
        sys.stderr.write(f"adding {IN_ONE_BUCKET:,} members to one bucket ...\n")
        fill_one_bucket(bench)
        times: list[float] = []
        call = partial(whole_search, bench, _NO_SUCH_PREFIX, times)
        print(timed(bench, call, 3).line("a whole search with a bucket of 100,000"))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"\n{os.cpu_count()} cores, load {load}; others: the p99 of another caller's ShowUser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
