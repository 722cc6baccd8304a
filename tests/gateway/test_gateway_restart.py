"""SIGHUP: another Envoy takes over, with what is on the disk now, and no request is lost."""

import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.gateway.running import ROOT, Gateway, running_gateway, wait_until
from tests.gateway.upstream import Upstream, slow

# The generation before has to go after three seconds, not seven.
SOON = {"GATEWAY_DRAIN_SECONDS": "1"}


def restart(gateway: Gateway) -> None:
    gateway.process.send_signal(signal.SIGHUP)


def said(gateway: Gateway) -> str:
    return (gateway.directory / "gateway.log").read_text(encoding="utf-8")


def epoch(gateway: Gateway) -> int | None:
    try:
        return gateway.counter("server.hot_restart_epoch")
    except httpx.TransportError:
        # The admin page goes from one to the other, and nobody has it for a moment.
        return None


def own_directory(path: Path) -> Path:
    """What Envoy reads besides its configuration, as a copy that a test may change."""
    shutil.copytree(ROOT / "gateway" / "lua", path / "lua")
    shutil.copy(ROOT / "gateway" / "levelgate.binpb", path)
    return path


def test_a_hot_restart_loses_no_request(upstream: Upstream, tmp_path: Path) -> None:
    upstream.answers["ListRules"] = slow(0.02)
    with running_gateway(tmp_path, upstream.ports, **SOON) as gateway, ThreadPoolExecutor() as pool:
        over = threading.Event()

        def ask(client: httpx.Client) -> list[int]:
            codes = []
            while not over.is_set():
                codes.append(client.get("/show").status_code)
            return codes

        url = f"http://127.0.0.1:{gateway.port}"
        with httpx.Client(base_url=url) as kept, httpx.Client(base_url=url) as other:
            askers = [pool.submit(ask, client) for client in (kept, other)]
            for number in (1, 2):
                restart(gateway)
                wait_until(lambda n=number: said(gateway).count("is done") == n, "it is done")  # type: ignore[misc]
                assert epoch(gateway) == number
            over.set()
            codes = [code for asker in askers for code in asker.result()]
        assert set(codes) == {200}
        assert len(codes) > 50


def test_a_request_that_outlasts_the_restart_is_answered(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.answers["LevelDown"] = slow(1.5)
    with running_gateway(tmp_path, upstream.ports, **SOON) as gateway, ThreadPoolExecutor() as pool:
        under_way = pool.submit(gateway.client.get, "/leveldown")
        wait_until(lambda: bool(upstream.calls), "the request is under way")
        restart(gateway)
        assert under_way.result().status_code == 200
        wait_until(lambda: "is done" in said(gateway), "it is done")


def test_what_envoy_would_refuse_changes_nothing(upstream: Upstream, tmp_path: Path) -> None:
    directory = own_directory(tmp_path)
    settings = {"GATEWAY_DIRECTORY": str(directory)}
    with running_gateway(tmp_path, upstream.ports, **SOON, **settings) as gateway:
        (directory / "levelgate.binpb").write_bytes(b"no descriptor set")
        restart(gateway)
        wait_until(lambda: "no hot restart: Envoy refuses" in said(gateway), "it says why")
        assert gateway.client.get("/show").status_code == 200
        assert epoch(gateway) == 0
        shutil.copy(ROOT / "gateway" / "levelgate.binpb", directory)
        restart(gateway)
        wait_until(lambda: "is done" in said(gateway), "it is done")
        assert gateway.client.get("/show").status_code == 200


def test_restarts_asked_for_meanwhile_come_after(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(tmp_path, upstream.ports, **SOON) as gateway:
        restart(gateway)
        wait_until(lambda: epoch(gateway) == 1, "the first one has begun")
        restart(gateway)
        restart(gateway)
        wait_until(lambda: said(gateway).count("is done") == 2, "two are done")
        assert epoch(gateway) == 2


def test_a_signal_to_end_ends_both_generations(upstream: Upstream, tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    before = set(shared.iterdir())
    with running_gateway(tmp_path, upstream.ports, **SOON) as gateway:
        restart(gateway)
        wait_until(lambda: epoch(gateway) == 1, "it has begun")
        assert gateway.stop() == 0
    assert set(shared.iterdir()) <= before
