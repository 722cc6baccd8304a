"""An operator's work with a running compose stack: rolls, settings, members and archives."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.compose.project import Project, docker, running_project
from tests.compose.running import as_stack
from tests.stack.waiting import until

SERVICE = "member_level"
ROLL_SECONDS = 300
ORIGIN = "https://shop.example"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    settings = {
        "DEMOTION_SCHEDULE": "",
        "MEMBER_LEVEL_INSTANCES": "2",
        "OPERATOR_FILES": str(tmp_path_factory.mktemp("files")),
    }
    with running_project(settings) as running:
        yield running


def all_containers(project: Project) -> set[str]:
    """All containers of the service, also those that do not run."""
    labels = (f"com.docker.compose.project={project.name}", f"com.docker.compose.service={SERVICE}")
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    return set(docker("ps", "-aq", "--no-trunc", *filters).split())


def rolls(project: Project) -> str:
    """Rolls with good settings; returns the output of the roll."""
    roll = project.roll(SERVICE)
    output, complaint = roll.communicate(timeout=ROLL_SECONDS)
    assert roll.returncode == 0, complaint
    return output


def test_after_a_roll_up_and_exec_work_as_before(project: Project) -> None:
    before = all_containers(project)
    assert rolls(project) == f"roll: {SERVICE}: 2 replaced\n"
    after = all_containers(project)
    assert len(after) == 2
    assert not before & after
    # Compose 1.29 looks for the container with the number 1.
    project.compose("exec", "-T", SERVICE, "true")
    project.compose("up", "-d")
    assert all_containers(project) == after


def test_a_roll_that_fails_says_why_and_changes_nothing(project: Project) -> None:
    before = all_containers(project)
    wrong_setting = {"MANUAL_LEVEL_DAYS": "many"}, "wrong setting MANUAL_LEVEL_DAYS"
    no_image = {"LEVELGATE_IMAGE": "levelgate:missing"}, "levelgate:missing|member_level Error"
    # One of them twice: a failed roll must not prevent the next one.
    for settings, why in (wrong_setting, wrong_setting, no_image):
        roll = project.roll(SERVICE, **settings)
        _, complaint = roll.communicate(timeout=ROLL_SECONDS)
        assert roll.returncode == 1
        assert re.search(why, complaint), complaint
        assert all_containers(project) == before
    rolls(project)


def has_spare(project: Project, before: set[str]) -> bool:
    return bool(all_containers(project) - before)


def has_stopped_one(_: Project, before: set[str]) -> bool:
    return not before <= set(docker("ps", "-q", "--no-trunc").split())


@pytest.mark.parametrize(
    ("number", "reached"), [(signal.SIGTERM, has_spare), (signal.SIGKILL, has_stopped_one)]
)
def test_the_next_roll_finishes_one_that_was_interrupted(
    project: Project, number: signal.Signals, reached: Callable[[Project, set[str]], bool]
) -> None:
    stack = as_stack(project)
    stack.store.close()
    before = all_containers(project)
    roll = project.roll(SERVICE)
    until(lambda: reached(project, before), "the roll is that far", seconds=60)
    os.killpg(roll.pid, number)
    _, complaint = roll.communicate(timeout=ROLL_SECONDS)
    assert roll.returncode != 0, complaint
    if reached is has_spare:
        assert all_containers(project) == before

    url, headers = f"{project.gateway}/userlevel/42", {"authorization": stack.token}
    assert httpx.get(url, headers=headers).json()["code"] == "success"
    rolls(project)
    assert len(all_containers(project)) == 2
    project.compose("exec", "-T", SERVICE, "true")


def is_allowed(project: Project) -> bool:
    try:
        reply = httpx.get(f"{project.gateway}/show", headers={"origin": ORIGIN})
    except httpx.TransportError:
        return False
    return bool(reply.headers.get("access-control-allow-origin") == ORIGIN)


def test_a_setting_of_the_gateway_can_be_reverted(project: Project) -> None:
    before = project.settings
    project.settings = {**before, "GATEWAY_CORS_ORIGINS": ORIGIN}
    project.compose("up", "-d", "provision")
    until(lambda: is_allowed(project), "the setting is applied", seconds=60)
    project.settings = before
    project.compose("up", "-d")
    project.wait_until_ready()
    assert not is_allowed(project)


def test_members_are_imported_and_exported(project: Project) -> None:
    """In files that are larger than the memory file system of the container."""
    code, output, _ = project.make("compose-demo")
    assert code == 0
    assert f"{project.gateway}/upbot/api/CheckUserXYLevel" in output
    _, secret, _ = project.make("compose-apps", "create bulk member:read member:write")
    app = {"LEVELGATE_APPID": "bulk", "LEVELGATE_APP_SECRET": secret.strip()}
    files = Path(project.settings["OPERATOR_FILES"])
    # A `make run` in the same directory has a token for its own stack.
    (files / ".run").mkdir()
    (files / ".run" / "stack.json").write_text('{"grpc":{"member_level":"x:1"},"token":"x"}')
    assert "no token" in project.make("compose-members", "export members.csv")[2]

    rows = [f"{number:0>128},600" for number in range(150_000)]
    (files / "members.csv").write_text("\n".join(["user_id,points", *rows, "last,x"]))
    assert (files / "members.csv").stat().st_size > 18_000_000
    _, _, output = project.make("compose-members", "import members.csv", **app)
    # A row that the store did not confirm in time is sent again, and is then unchanged.
    found = re.search(r"(\d+) written, (\d+) unchanged, 1 rejected", output)
    assert found, output
    assert int(found[1]) + int(found[2]) == len(rows)
    assert '"last,x"' in (files / "members.csv.rejects.ndjson").read_text()

    assert project.make("compose-members", "export out.csv", **app)[0] == 0
    assert (files / "out.csv").stat().st_uid == os.getuid()
    exported = (files / "out.csv").read_text().splitlines()
    assert {row.partition(",")[0] for row in rows} <= {row.partition(",")[0] for row in exported}


def test_an_archive_moves_the_store_to_a_new_volume(project: Project) -> None:
    stack = as_stack(project)
    stack.store.close()
    project.compose("stop", "gateway", "upbot_checks", "member_level", "shop_level")
    code, exported, _ = project.make("compose-archive", "export store.archive")
    assert code == 0

    project.compose("down", "-v")
    project.compose("up", "-d", "redis")
    code, imported, output = project.make("compose-archive", "import store.archive")
    assert (code, imported) == (0, exported), output
    project.compose("up", "-d")
    project.wait_until_ready()
    url, headers = f"{project.gateway}/userlevel/show/42", {"authorization": stack.token}
    assert httpx.post(url, headers=headers).json()["code"] == "success"
