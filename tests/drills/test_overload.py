"""More calls than can be served: the gateway serves what it can and refuses the rest quickly."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.compose.project import Project, docker
from tests.compose.running import as_stack
from tests.drills.conftest import Drill, edge_address, passes_once

PEAK_SECONDS = 4
FLOOD_SECONDS = 6
CONNECTIONS = 50
SHARE = 0.8  # Of the peak, which must still be answered in the flood.


@dataclass(frozen=True)
class Flood:
    """The report of h2load."""

    seconds: float
    good: int
    refused: int
    failed: int
    slowest_ms: float

    @property
    def good_per_second(self) -> float:
        return self.good / self.seconds


@dataclass(frozen=True)
class Target:
    url: str
    token: str
    body: Path

    def flood(self, *options: str) -> Flood:
        """Checks of one user by h2load, at the lowest priority because it shares the machine."""
        command = [
            *("nice", "-n", "19", "h2load", "-t1", *options, "-d", str(self.body)),
            *("-H", f"authorization: {self.token}", "-H", "content-type: application/json"),
            self.url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return read(done.stdout)


def read(report: str) -> Flood:
    finished = re.search(r"finished in ([\d.]+)s", report)
    codes = re.search(r"status codes: (\d+) 2xx, \d+ 3xx, (\d+) 4xx, (\d+) 5xx", report)
    errors = re.search(r"(\d+) errored, (\d+) timeout", report)
    slowest = re.search(r"time for request: +\S+ +([\d.]+)(us|ms|s) ", report)
    assert finished, report
    assert codes, report
    assert errors, report
    assert slowest, report
    good, too_many, busy = map(int, codes.groups())
    factor = {"us": 0.001, "ms": 1, "s": 1_000}[slowest[2]]
    failed = int(errors[1]) + int(errors[2])
    return Flood(float(finished[1]), good, too_many + busy, failed, float(slowest[1]) * factor)


def test_ten_times_the_load_it_can_serve(duo: Project, drill: Drill, tmp_path: Path) -> None:
    """Ten times the load it can serve, for 6 s, by h2load on the same machine"""
    assert shutil.which("h2load"), "h2load is missing; Debian has it in nghttp2-client"
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"openid": "3dfg4df", "level": [1, 3]}))
    url = f"http://{edge_address(duo)}:8080/upbot/api/CheckUserXYLevel"
    target = Target(url, as_stack(duo).token, body)

    def measure() -> None:
        peak, floods, limit = measured(duo, target)
        most_mebibytes = memory_of_the_gateway(duo)
        answered = [each.good_per_second / peak for each in floods]
        drill.shows(
            peak_per_second=round(peak),
            limit_per_second=limit,
            offered_per_second=10 * round(peak),
            answered_share_of_the_peak=[round(share, 2) for share in answered],
            refused=sum(each.refused for each in floods),
            failed_otherwise=sum(each.failed for each in floods),
            slowest_ms=max(each.slowest_ms for each in floods),
            mebibytes_of_the_gateway=most_mebibytes,
        )
        assert max(answered) >= SHARE
        assert sum(each.failed for each in floods) == 0
        assert sum(each.refused for each in floods) > sum(each.good for each in floods)
        assert most_mebibytes < 400
        assert max(each.slowest_ms for each in floods) < 5_000

    # The peak is measured again as well: other machines share the two cores at varying times. For
    # two and a half minutes, all of three attempts had a third less CPU in the flood than at the
    # peak; alone, each of three runs then answered 0.9 of the peak.
    passes_once(measure, attempts=5)


def measured(duo: Project, target: Target) -> tuple[float, Sequence[Flood], int]:
    """The peak without a limit, and floods with the limit that an operator would set."""
    one_by_one = ("-c", "16", "-m", "1", "-D", str(PEAK_SECONDS))
    target.flood(*one_by_one)
    peaks = [target.flood(*one_by_one).good_per_second for _ in range(2)]
    peak = sum(peaks) / len(peaks)
    limit = int(0.95 * peak)
    with_limit(duo, limit)
    try:
        pace = f"--rps={10 * peak / CONNECTIONS:.0f}"
        options = ("-c", str(CONNECTIONS), "-m", "100", pace, "-D", str(FLOOD_SECONDS))
        floods: list[Flood] = []
        while len(floods) < 2 and not any(each.good_per_second >= SHARE * peak for each in floods):
            floods.append(target.flood(*options))
    finally:
        with_limit(duo, None)
    return peak, floods, limit


def with_limit(duo: Project, limit: int | None) -> None:
    settings = dict(duo.settings)
    settings.pop("GATEWAY_RATE_LIMIT", None)
    if limit is not None:
        settings["GATEWAY_RATE_LIMIT"] = str(limit)
    duo.settings = settings
    duo.compose("up", "-d")
    duo.wait_until_ready()


def memory_of_the_gateway(duo: Project) -> float:
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", duo.container("gateway"))
    size = re.match(r"([\d.]+)(MiB|GiB)", used)
    assert size, used
    return float(size[1]) * {"MiB": 1, "GiB": 1_024}[size[2]]


def test_a_report_of_h2load_is_read() -> None:
    report = """finished in 8.01s, 9011.88 req/s, 957.45KB/s
requests: 72095 total, 77095 started, 72095 done, 4905 succeeded, 67190 failed, 3 errored, 1 timeout
status codes: 4905 2xx, 0 3xx, 4062 4xx, 63128 5xx
time for request:    27.30ms       1.42s    505.37ms    240.64ms    70.74%"""
    assert read(report) == Flood(8.01, 4905, 67190, 4, 1_420)
