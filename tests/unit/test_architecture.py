"""Imports point in one direction, and no service imports another."""

import ast
from pathlib import Path

from services.suite import SUITE

ROOT = Path(__file__).resolve().parents[2]

# The packages that each package may import from. Every package may also read services/suite.py.
ALLOWED: dict[str, set[str]] = {
    **{
        service.name: {"access", "runtime", "rules", "user_facts", "user_state", "store"}
        for service in SUITE
    },
    "runtime": {"access", "store"},
    "access": {"store"},
    "user_state": {"rules", "store"},
    "user_facts": {"store"},
    "rules": {"store"},
    "store": set(),
}
PURE = (
    "upbot_checks/compare.py",
    "upbot_checks/eligibility/condition.py",
    "upbot_checks/eligibility/estimate.py",
    "upbot_checks/eligibility/visited.py",
    "user_facts/fact.py",
    "rules/ladder.py",
    "rules/replacement.py",
    "rules/thresholds.py",
    "shop_level/catalogue.py",
    "shop_level/shop.py",
)


def imported_by(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def packages_imported_by(path: Path) -> set[str]:
    parts = (name.split(".") for name in imported_by(path))
    imported = {part[1] for part in parts if part[0] == "services" and len(part) > 1}
    return {name for name in imported if (ROOT / "services" / name).is_dir()}


def test_every_package_has_its_allowed_imports() -> None:
    packages = {path.name for path in (ROOT / "services").iterdir() if path.is_dir()}
    assert packages - {"__pycache__"} == set(ALLOWED)


def test_a_package_imports_only_from_the_packages_that_it_may_use() -> None:
    for package, allowed in ALLOWED.items():
        for path in (ROOT / "services" / package).rglob("*.py"):
            assert packages_imported_by(path) <= allowed | {package}, path


def test_domain_modules_do_no_io() -> None:
    for module in PURE:
        names = imported_by(ROOT / "services" / module)
        libraries = {name.split(".")[0] for name in names}
        assert not libraries & {"redis", "grpc", "socket", "os"}, module
        ours = {name.removeprefix("services.") for name in names if name.startswith("services.")}
        files = {f"{name.replace('.', '/')}.py" for name in ours}
        assert {name for name in files if (ROOT / "services" / name).exists()} <= set(PURE), module


def test_the_client_package_imports_no_service() -> None:
    for path in (ROOT / "clients" / "python").rglob("*.py"):
        assert not any(name.startswith("services") for name in imported_by(path)), path
