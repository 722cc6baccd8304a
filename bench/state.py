"""`make bench-state`: what the state costs, from 100,000 to 5 million members.

It prints a table with the machine's load and writes .run/bench/state.json. Everything goes through
a real member_level and a real store with operations/deployment/store.conf. Only the last four
million members are written directly to the store, by the code that the service uses.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import Bench, running
from levelgate.member.v1.demotion_pb2 import PlanDemotionRequest, RunDemotionRequest
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_bulk_pb2 import ImportUsersRequest, UserRow
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_level_pb2 import PreviewRulesRequest, ProposedRule
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from services.rules.rule_book import RuleBook
from services.store.batches import batched
from services.store.keys import Buckets
from services.user_state.bulk import BulkUsers
from services.user_state.rows import Row

RESULTS = Path(".run/bench/state.json")
SMALL, MEDIUM, LARGE = 100_000, 1_000_000, 5_000_000
DUE = 10_000
MANY_DUE = 300_000
ROUNDS = 3
_ROWS_PER_STREAM, _ROWS_PER_MESSAGE = 100_000, 500


@dataclass
class Figures:
    """The measured figures; medians if there were rounds."""

    bytes_per_member: float = 0
    demotion_seconds: dict[str, float] = field(default_factory=dict)
    demotion_cpu_seconds: dict[str, float] = field(default_factory=dict)
    demotion_rate: float = 0
    preview_seconds: float = 0
    preview_record_reads: int = 0
    import_rate: float = 0
    longest_block_ms: float = 0
    longest_block_by_step: dict[str, tuple[float, str]] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)


def name_of(number: int) -> str:
    """An id of 16 bytes."""
    return f"{number:016x}"


def points_of(number: int) -> int:
    """Spread over all five levels of the demo rules."""
    return number * 7919 % 4_000


def import_members(bench: Bench, numbers: range) -> float:
    """Imports members through the service; returns the seconds."""
    started = time.perf_counter()
    import_rows(bench, (UserRow(user_id=name_of(n), points=points_of(n)) for n in numbers))
    return time.perf_counter() - started


def import_rows(bench: Bench, rows: Iterable[UserRow]) -> None:
    stub = MemberBulkStub(bench.channel)
    for part in batched(rows, _ROWS_PER_STREAM):
        messages = (ImportUsersRequest(users=some) for some in batched(part, _ROWS_PER_MESSAGE))
        reply = stub.ImportUsers(messages, metadata=bench.metadata)
        if reply.rejected:
            raise ValueError(f"rejected: {reply.rejects[0]}")


def write_members(bench: Bench, numbers: range) -> None:
    """Writes members directly to the store, by the code that the service uses."""
    store = bench.client()
    bulk, thresholds = BulkUsers(store, Buckets()), RuleBook(store).book().thresholds
    for part in batched(numbers, _ROWS_PER_STREAM):
        bulk.write((Row(name_of(n), points_of(n)) for n in part), thresholds)


def make_due(bench: Bench, count: int, members: int) -> None:
    """Gives `count` members, spread over all, a level for which they have too few points."""
    every = members // count
    due = (UserRow(user_id=name_of(n * every), points=600, level=3) for n in range(count))
    import_rows(bench, due)


def demote(bench: Bench, due: int) -> tuple[float, float]:
    """Plans and runs a demotion; returns the seconds of the run, and its CPU seconds."""
    stub = DemotionStub(bench.channel)
    plan = stub.PlanDemotion(PlanDemotionRequest(), metadata=bench.metadata).data
    if plan.members != due:
        raise ValueError(f"{plan.members} are due, not {due}")
    cpu, started = bench.cpu_seconds(), time.perf_counter()
    *_, last = stub.RunDemotion(RunDemotionRequest(plan_id=plan.plan_id), metadata=bench.metadata)
    seconds = time.perf_counter() - started
    if last.members != due:
        raise ValueError(f"{last.members} were re-evaluated, not {due}")
    return seconds, bench.cpu_seconds() - cpu


def preview(bench: Bench, figures: Figures) -> None:
    stub = MemberLevelStub(bench.channel)
    thresholds = ((0, 0, 600), (1, 600, 900), (2, 900, 1_500), (3, 1_500, 3_500), (5, 3_500, 4_000))
    rules = [ProposedRule(vip_level=v, down_point=d, up_point=u) for v, d, u in thresholds]
    seconds = []
    reads = bench.record_reads()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        data = stub.PreviewRules(PreviewRulesRequest(rules=rules), metadata=bench.metadata).data
        seconds.append(time.perf_counter() - started)
        figures.members["moved in the preview"] = sum(move.members for move in data.moves)
    figures.preview_seconds = statistics.median(seconds)
    # These are the token, its app and the rules, and no member.
    figures.preview_record_reads = (bench.record_reads() - reads) // ROUNDS


def interleaved_demotions(benches: Sequence[tuple[int, Bench]], figures: Figures) -> None:
    seconds: dict[int, list[float]] = {members: [] for members, _ in benches}
    cpu: dict[int, list[float]] = {members: [] for members, _ in benches}
    for _ in range(ROUNDS):
        for members, bench in benches:
            make_due(bench, DUE, members)
            took, used = demote(bench, DUE)
            seconds[members].append(took)
            cpu[members].append(used)
    for members, _ in benches:
        figures.demotion_seconds[str(members)] = statistics.median(seconds[members])
        figures.demotion_cpu_seconds[str(members)] = statistics.median(cpu[members])


def note_blocks(figures: Figures, step: str, *benches: Bench) -> None:
    longest = max(bench.longest_block() for bench in benches)
    figures.longest_block_by_step[step] = longest
    figures.longest_block_ms = max(figures.longest_block_ms, longest[0])


def measure(directory: Path, large: int) -> Figures:
    figures = Figures()
    with running(directory / "small") as small, running(directory / "big") as big:
        report_progress("importing")
        import_members(small, range(SMALL))
        before = big.memory()
        figures.import_rate = MEDIUM / import_members(big, range(MEDIUM))
        figures.bytes_per_member = (big.memory() - before) / MEDIUM
        note_blocks(figures, "import", small, big)
        report_progress("preview")
        preview(big, figures)
        note_blocks(figures, "preview", big)
        report_progress("demotions among 100 thousand and 1 million")
        interleaved_demotions([(SMALL, small), (MEDIUM, big)], figures)
        make_due(big, MANY_DUE, MEDIUM)
        figures.demotion_rate = MANY_DUE / demote(big, MANY_DUE)[0]
        note_blocks(figures, "demotion", small, big)
        report_progress(f"growing to {large} members")
        write_members(big, range(MEDIUM, large))
        report_progress("demotions among 100 thousand and all")
        medium = figures.demotion_seconds.pop(str(MEDIUM))
        interleaved_demotions([(SMALL, small), (large, big)], figures)
        figures.demotion_seconds[str(MEDIUM)] = medium
        note_blocks(figures, "growth and demotion", small, big)
        figures.members["large"] = large
    return figures


def table(figures: Figures, large: int) -> str:
    small, big = figures.demotion_seconds[str(SMALL)], figures.demotion_seconds[str(large)]
    cpu = figures.demotion_cpu_seconds
    lines = [
        ("what", "figure", "to reach"),
        ("store memory a member, 1 million", f"{figures.bytes_per_member:.0f} bytes", "<= 200"),
        ("demotion of 10,000 among 100 thousand", f"{small:.2f} s", ""),
        ("  among 1 million", f"{figures.demotion_seconds[str(MEDIUM)]:.2f} s", ""),
        (f"  among {large:,}", f"{big:.2f} s", ""),
        ("  the last divided by the first", f"{big / small:.2f}", "<= 2"),
        ("  the same in CPU time", f"{cpu[str(large)] / cpu[str(SMALL)]:.2f}", ""),
        ("demotion, one worker", f"{figures.demotion_rate:,.0f} members/s", ">= 30,000"),
        ("preview of rules, 1 million", f"{figures.preview_seconds:.2f} s", "<= 1"),
        ("  values read by it", f"{figures.preview_record_reads}", "no member"),
        ("import", f"{figures.import_rate:,.0f} members/s", ">= 40,000"),
        ("longest block of the store", f"{figures.longest_block_ms:.1f} ms", "< 5"),
    ]
    return "\n".join(f"{what:<42} {figure:>20}   {goal}" for what, figure, goal in lines)


def report_progress(line: str) -> None:
    sys.stderr.write(f"{line} ...\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.state", description=__doc__)
    parser.add_argument("--large", type=int, default=LARGE, help="members in the largest store")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory), options.large)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(vars(figures), indent=2) + "\n")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(table(figures, options.large))
    print(f"\n{os.cpu_count()} cores, load {load}; written to {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
