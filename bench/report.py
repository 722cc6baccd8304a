"""The results of `make bench`, as a table and as named figures."""

import statistics
from collections.abc import Mapping, Sequence

GRPC, EMPTY = "gRPC check", "grpcio, empty handler"
JSON, FASTAPI, ORDINARY = "JSON check", "FastAPI", "grpc.aio behind Envoy"
DIRECT, BATCH, STORE_GET = "Envoy, direct response", "BatchCheck, a user", "the store's GET"
EMPTY_JSON = "empty handler, bare transcoder"
GO_GRPC, GO_JSON = "Go: grpc-go", "Go: grpc-gateway"
FASTAPI_UNCACHED = "FastAPI, no cache"
GRPCIO_GRPC, GRPCIO_JSON = f"{GRPC}, grpcio", f"{JSON}, grpcio"


def new_user(name: str) -> str:
    return f"{name}, new user"


FAR = f"{new_user(GRPC)}, store at 2.5 ms"
GRPCIO_FAR = f"{new_user(GRPCIO_GRPC)}, store at 2.5 ms"

# By the name in .run/bench/checks.json: which cost is divided by which.
RATIOS = {
    "grpc_unary_vs_empty_cpu": (GRPC, EMPTY),
    "json_vs_fastapi_cpu": (JSON, FASTAPI),
    # Without a cache the peers read the store each time, as they do for a new user.
    "json_vs_fastapi_uncached_cpu": (JSON, FASTAPI_UNCACHED),
    "json_vs_ordinary_uncached_cpu": (JSON, new_user(ORDINARY)),
    "grpc_unary_vs_go_uncached_cpu": (GRPC, new_user(GO_GRPC)),
    "json_vs_ordinary_cpu": (JSON, ORDINARY),
    "json_baseline_vs_fastapi_cpu": (EMPTY_JSON, FASTAPI),
    "batch_vs_unary_checks_per_cpu": (GRPC, BATCH),
    "grpc_unary_vs_go_cpu": (GRPC, GO_GRPC),
    "grpc_cold_vs_fastapi_cpu": (new_user(GRPC), new_user(FASTAPI)),
    "grpcio_unary_vs_empty_cpu": (GRPCIO_GRPC, EMPTY),
    "grpcio_unary_vs_go_cpu": (GRPCIO_GRPC, GO_GRPC),
    "grpcio_json_vs_fastapi_cpu": (GRPCIO_JSON, FASTAPI),
    "grpcio_json_vs_ordinary_cpu": (GRPCIO_JSON, ORDINARY),
    "grpcio_cold_vs_fastapi_cpu": (new_user(GRPCIO_GRPC), new_user(FASTAPI)),
}
TO_REACH = {
    "grpc_unary_vs_empty_cpu": "<= 0.85",
    "json_vs_fastapi_cpu": "<= 0.85",
    "grpc_unary_vs_go_cpu": "<= 1.60",
    "json_vs_ordinary_cpu": "<= 0.40",
    "batch_vs_unary_checks_per_cpu": ">= 40",
    "p99_vs_baseline_at_half_peak": "<= 1.5",
    "service_rss_mib": "<= 200",
    "service_rss_growth_mib": "flat",
    "start_cpu_seconds": "<= 1.5",
    "half_open_failed": "0",
}

Rounds = Mapping[str, Sequence[float]]


def ratios(costs: Rounds) -> dict[str, list[float]]:
    """The ratios of each round, for the peers that were measured."""
    return {
        name: [one / other for one, other in zip(costs[of], costs[to], strict=True)]
        for name, (of, to) in RATIOS.items()
        if of in costs and to in costs
    }


def table(costs: Rounds, found: Rounds) -> str:
    """Both as Markdown: the median, the minimum and the maximum of all rounds."""
    lines = ["| one check | CPU us, median | least-most |", "|---|---|---|"]
    lines += [f"| {name} | {_median(each)} | {_spread(each)} |" for name, each in costs.items()]
    lines += ["", "| figure | median | least-most | to reach |", "|---|---|---|---|"]
    for name, each in found.items():
        aim = TO_REACH.get(name, "")
        lines.append(f"| {name} | {_median(each)} | {_spread(each)} | {aim} |")
    return "\n".join(lines) + "\n"


def _median(figures: Sequence[float]) -> str:
    return _short(statistics.median(figures))


def _spread(figures: Sequence[float]) -> str:
    return f"{_short(min(figures))}-{_short(max(figures))}" if len(figures) > 1 else ""


def _short(figure: float) -> str:
    return f"{figure:.0f}" if abs(figure) >= 20 else f"{figure:.2f}"
