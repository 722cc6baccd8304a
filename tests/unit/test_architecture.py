"""Import arrows point one way, and no service imports another."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A package may import from those after it.
ALLOWED = {
    "upbot_checks": {"access", "runtime", "rules", "user_state", "store"},
    "member_level": {"access", "runtime", "rules", "user_state", "store"},
    "shop_level": {"access", "runtime", "user_state", "rules", "store"},
    "runtime": {"access", "store"},
    "access": {"store"},
    "user_state": {"rules", "store"},
    "rules": {"store"},
    "store": set(),
}
PURE = (
    "upbot_checks/compare.py",
    "upbot_checks/eligibility/condition.py",
    "upbot_checks/fact.py",
    "rules/ladder.py",
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
    return {part[1] for part in parts if part[0] == "services" and len(part) > 1}


def test_every_package_is_listed_here() -> None:
    packages = {path.name for path in (ROOT / "services").iterdir() if path.is_dir()}
    assert packages - {"__pycache__"} == set(ALLOWED)


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_from_those_below(package: str) -> None:
    for path in (ROOT / "services" / package).rglob("*.py"):
        assert packages_imported_by(path) <= ALLOWED[package] | {package}, path


@pytest.mark.parametrize("module", PURE)
def test_domain_modules_do_no_io(module: str) -> None:
    names = imported_by(ROOT / "services" / module)
    assert not any(name.split(".")[0] in {"redis", "grpc", "socket", "os"} for name in names)
    ours = {name.removeprefix("services.") for name in names if name.startswith("services.")}
    files = {f"{name.replace('.', '/')}.py" for name in ours}
    assert {name for name in files if (ROOT / "services" / name).exists()} <= set(PURE)


def test_the_client_package_stands_alone() -> None:
    for path in (ROOT / "clients" / "python").rglob("*.py"):
        assert not any(name.startswith("services") for name in imported_by(path)), path
