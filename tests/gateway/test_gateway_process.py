"""`python -m gateway`: its configuration, its settings, and how it drains and ends."""

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from gateway.render import render
from gateway.settings import GatewaySettings
from services.runtime.settings import load
from services.suite import SUITE
from tests.gateway.running import (
    ROOT,
    Gateway,
    command,
    environment,
    running_gateway,
    virtual_hosts,
    wait_until,
)
from tests.gateway.upstream import Upstream, slow
from tests.stack.waiting import free_ports

NOWHERE = dict.fromkeys((service.name for service in SUITE), 1)


def run(directory: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(directory, NOWHERE, **settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_render_prints_the_configuration(tmp_path: Path) -> None:
    result = run(tmp_path, "--render", GATEWAY_SHOP_LEVEL="shop.internal:7000")
    assert result.returncode == 0
    assert "shop.internal" in result.stdout
    assert "${" not in result.stdout


@pytest.mark.parametrize("file", sorted((ROOT / "gateway").glob("*.yaml")), ids=lambda f: f.name)
def test_no_line_of_the_configuration_is_longer_than_120_characters(file: Path) -> None:
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
    assert [number for number, line in lines if len(line) > 120] == []


def test_every_service_has_a_cluster_and_each_of_its_public_services_a_grpc_route() -> None:
    config = yaml.safe_load(render(GatewaySettings()))
    clusters = [cluster["name"] for cluster in config["static_resources"]["clusters"]]
    assert clusters == ["pages", *(each.name for each in SUITE)]
    (host,) = virtual_hosts(config)
    passed_on = {
        route["match"]["prefix"].strip("/"): route["route"]["cluster"]
        for route in host["routes"]
        if "prefix" in route["match"] and "route" in route
    }
    assert passed_on == {name: each.name for each in SUITE for name in each.public}


NAMES = {
    "GATEWAY_ADDRESS": "0.0.0.0",
    "GATEWAY_UPBOT_CHECKS": "upbot-checks:50051",
    "GATEWAY_MEMBER_LEVEL": "[::1]:50052",
    "GATEWAY_CORS_ORIGINS": "https://a.example, http://localhost:3000",
}


@pytest.mark.parametrize("settings", [{}, NAMES])
def test_envoy_accepts_the_configuration(tmp_path: Path, settings: dict[str, str]) -> None:
    result = run(tmp_path, "--validate", **settings)
    assert result.returncode == 0, result.stderr


WRONG = [
    ("GATEWAY_PORT", "http"),
    ("GATEWAY_PORT", "70000"),
    ("GATEWAY_ADMIN_PORT", "0"),
    ("GATEWAY_UPBOT_CHECKS", "nowhere"),
    ("GATEWAY_MEMBER_LEVEL", "host:port"),
    ("GATEWAY_SHOP_LEVEL", "host:99999"),
    ("GATEWAY_CORS_ORIGINS", "*"),
    ("GATEWAY_RATE_LIMIT", "0"),
    ("GATEWAY_TOKEN_RATE_LIMIT", "many"),
    ("GATEWAY_DRAIN_SECONDS", "-1"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"^wrong setting {name}: .+$"):
        load(GatewaySettings)


def test_the_process_prints_a_wrong_setting_in_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, GATEWAY_PORT="http")
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert "GATEWAY_PORT" in line


@pytest.mark.parametrize("name", ["GATEWAY_PORT", "GATEWAY_ADMIN_PORT"])
def test_a_port_in_use_is_one_line_that_names_it(
    gateway: Gateway, tmp_path: Path, name: str
) -> None:
    port = gateway.port if name == "GATEWAY_PORT" else gateway.admin_port
    free = dict(zip(("GATEWAY_PORT", "GATEWAY_ADMIN_PORT"), map(str, free_ports(2)), strict=True))
    result = run(tmp_path, **{**free, name: str(port)})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert name in line
    assert str(port) in line


LINGERS = {"GATEWAY_LINGER_SECONDS": "1"}


def test_a_signal_lets_requests_finish(upstream: Upstream, tmp_path: Path) -> None:
    with (
        running_gateway(tmp_path, upstream.ports, **LINGERS) as leaving,
        ThreadPoolExecutor() as pool,
    ):
        upstream.answers["ListRules"] = slow(1.5)
        under_way = pool.submit(leaving.client.get, "/show")
        wait_until(lambda: bool(upstream.calls), "the request is in progress")
        leaving.process.terminate()
        health = httpx.get(f"http://127.0.0.1:{leaving.port}/healthz")
        wait_until(
            lambda: httpx.get(health.url).status_code == 503 or under_way.done(), "healthz says 503"
        )
        assert not under_way.done()
        assert under_way.result().status_code == 200
        assert leaving.process.wait(10) == 0


def test_a_balancer_that_asks_for_healthz_loses_no_request(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.answers["ListRules"] = slow(0.02)
    with running_gateway(tmp_path, upstream.ports, **LINGERS) as leaving:
        url = f"http://127.0.0.1:{leaving.port}"
        noticed = threading.Event()

        def ask() -> list[int]:
            codes = []
            with httpx.Client(base_url=url) as kept_alive:
                while not noticed.is_set():
                    codes.append(kept_alive.get("/show").status_code)
                    codes.append(httpx.get(url + "/show").status_code)
            return codes

        def balance() -> None:
            wait_until(lambda: httpx.get(url + "/healthz").status_code == 503, "healthz says 503")
            noticed.set()

        with ThreadPoolExecutor() as pool:
            askers = [pool.submit(ask) for _ in range(4)]
            balancer = pool.submit(balance)
            wait_until(lambda: len(upstream.calls) > 50, "requests are in progress")
            assert leaving.stop() == 0
            balancer.result()
            assert {code for asker in askers for code in asker.result()} == {200}


def test_a_second_signal_kills_envoy_at_once(upstream: Upstream, tmp_path: Path) -> None:
    with (
        running_gateway(tmp_path, upstream.ports, **LINGERS) as leaving,
        ThreadPoolExecutor() as pool,
    ):
        upstream.answers["LevelDown"] = slow(4)
        cut_off = pool.submit(leaving.client.get, "/leveldown")
        wait_until(lambda: bool(upstream.calls), "the request is in progress")
        leaving.process.terminate()
        health = f"http://127.0.0.1:{leaving.port}/healthz"
        wait_until(lambda: httpx.get(health).status_code == 503, "it drains")
        started = time.monotonic()
        leaving.process.terminate()
        leaving.process.wait(10)
        assert time.monotonic() - started < 2
        with pytest.raises(httpx.TransportError):
            cut_off.result()


def test_the_gateway_ends_with_an_error_when_envoy_ends(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(tmp_path, upstream.ports, **LINGERS) as leaving:
        httpx.post(f"http://127.0.0.1:{leaving.admin_port}/quitquitquit")
        assert leaving.process.wait(10) == 1
