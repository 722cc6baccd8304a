"""`python -m operations.commands.members` with a real service."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations.commands.demo import prepare
from tests.stack.waiting import free_ports, until
from tests.support.service import ROOT, Service, running_service
from tests.support.store_server import SERVERS, server


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("members")
    with server(SERVERS["valkey"], directory) as store:
        demo = prepare(store.address)
        with running_service(store.address, directory / "service.log") as service:
            service.token = demo.token
            service.wait_for("SERVING")
            yield service


def start(member: Service, *arguments: object, **variables: str) -> "subprocess.Popen[str]":
    address = f"127.0.0.1:{member.port}"
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "operations.commands.members",
            *map(str, arguments),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "LEVELGATE_ADDRESS": address,
            "LEVELGATE_TOKEN": member.token,
            **variables,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    member: Service, *arguments: object, text: str = "", **variables: str
) -> tuple[int, str, str]:
    process = start(member, *arguments, **variables)
    out, errors = process.communicate(text, timeout=120)
    assert "Traceback" not in errors
    assert member.token not in errors
    return process.returncode, out, errors


def rejected(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_wrong_lines_of_a_csv_file_are_rejected_and_the_others_are_imported(
    member: Service, tmp_path: Path
) -> None:
    file = tmp_path / "members.csv"
    lines = [
        "\ufeffuser_id,points,level",
        "csv-1,600,",
        "csv-2,x,",
        "csv-3,5,4",
        "csv-4,5",
        "csv-5,1500,\r",
        "",
    ]
    file.write_text("\n".join(lines))
    code, _, errors = run(member, "import", file)
    assert code == 2
    assert "2 written, 0 unchanged, 3 rejected" in errors
    rejects = rejected(tmp_path / "members.csv.rejects.ndjson")
    assert [(each["line"], each["text"]) for each in rejects] == [
        (3, "csv-2,x,"),
        (4, "csv-3,5,4"),
        (5, "csv-4,5"),
    ]
    assert "points" in rejects[0]["reason"]
    assert "level: must have a rule (0, 1, 2, 3, 5); got 4" in rejects[1]["reason"]
    assert member.show("csv-5").data.level == 3
    assert run(member, "import", file)[2].startswith("0 written, 2 unchanged, 3 rejected")


def test_a_carriage_return_or_an_open_quote_rejects_only_its_own_line(
    member: Service, tmp_path: Path
) -> None:
    file = tmp_path / "m.csv"
    before = [f"before-{number},600" for number in range(100)]
    after = [f"after-{number},600" for number in range(100)]
    wrong = ["bad\rcell,5", '"open,5', '"a"b,5']
    file.write_bytes("\n".join(["user_id,points", *before, *wrong, *after]).encode())
    code, _, errors = run(member, "import", file)
    assert (code, errors.partition(" rejected")[0]) == (2, "200 written, 0 unchanged, 3")
    rejects = rejected(tmp_path / "m.csv.rejects.ndjson")
    assert [(each["line"], each["text"]) for each in rejects] == list(enumerate(wrong, 102))
    assert [each["reason"] for each in rejects] == [
        "must be one record of CSV: new-line character seen in unquoted field",
        "must be one record of CSV: unexpected end of data",
        "must be one record of CSV: ',' expected after '\"'",
    ]
    for user in ("before-0", "before-99", "after-0", "after-99"):
        assert member.show(user).data.level == 1


@pytest.mark.parametrize(
    ("command", "name"),
    [("import - --format csv <&-", "input"), ("export - --format csv >&-", "output")],
)
def test_a_closed_standard_stream_is_reported_in_one_line(
    member: Service, command: str, name: str
) -> None:
    result = subprocess.run(
        ["bash", "-c", f'exec "$0" -m operations.commands.members {command}', sys.executable],
        cwd=ROOT,
        env={**os.environ, "LEVELGATE_ADDRESS": "nowhere:1", "LEVELGATE_TOKEN": member.token},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, f"standard {name} is closed\n")


def test_an_import_continues_when_the_service_restarts(member: Service, tmp_path: Path) -> None:
    file = tmp_path / "members.ndjson"
    rows = [f'{{"userId":"large-{number}","points":600}}' for number in range(45_000)]
    # A wrong line in each of the three calls.
    for number in (7, 20_007, 40_007):
        rows[number] = "wrong"
    file.write_text("\n".join(rows))
    rejects = tmp_path / "members.ndjson.rejects.ndjson"
    importing = start(member, "import", file, "--retry-seconds", 20)
    until(rejects.exists, "the first call is done", seconds=60)
    member.process.send_signal(signal.SIGKILL)
    member.process.wait()
    member.start()
    errors = importing.communicate(timeout=120)[1]
    assert importing.returncode == 2, errors
    assert "3 rejected" in errors
    assert [each["line"] for each in rejected(rejects)] == [8, 20_008, 40_008]
    member.wait_for("SERVING")
    for number in (0, 19_999, 20_000, 44_999):
        assert member.show(f"large-{number}").data.level == 1
    code, _, errors = run(member, "import", file)
    # Lines of progress may come before it.
    assert (code, "\n0 written, 44997 unchanged, 3 rejected" in f"\n{errors}") == (2, True)


def test_a_token_with_invalid_characters_is_reported_but_not_shown(
    member: Service, tmp_path: Path
) -> None:
    file = tmp_path / "m.csv"
    file.write_text("user_id,points\na,1\n")
    for token in ("two\nlines", "口令", "a\tb"):
        code, _, errors = run(member, "import", file, LEVELGATE_TOKEN=token)
        assert (code, errors.count("\n")) == (1, 1)
        assert errors.startswith("wrong setting LEVELGATE_TOKEN: ")
        assert token not in errors


def test_an_import_reads_a_slow_pipe_from_the_first_byte(member: Service) -> None:
    process = start(member, "import", "-", "--format", "csv")
    assert process.stdin is not None
    # The first piece is shorter than a byte order mark.
    for piece in ("u", "s", "er_id,points\npipe-1,6", "00\npipe-2,1500\n"):
        process.stdin.write(piece)
        process.stdin.flush()
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors) == (0, "2 written, 0 unchanged, 0 rejected\n")
    assert [member.show(user).data.level for user in ("pipe-1", "pipe-2")] == [1, 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_a_csv_file_with_a_wrong_header_or_encoding_is_refused(
    member: Service, tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "m.csv"
    header = "user,points" if encoding == "utf-8" else "user_id,points"
    file.write_text(f"{header}\na,1\n", encoding=encoding)
    code, _, errors = run(member, "import", file)
    assert (code, errors.count("\n"), "the first line must name" in errors) == (1, 1, True)


def test_a_command_without_a_token_says_where_to_get_one(member: Service, tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("user_id,points\na,1\n")
    variables = {"LEVELGATE_TOKEN": "", "LEVELGATE_ADDRESS": "", "STACK_DIRECTORY": str(tmp_path)}
    wanted = "set LEVELGATE_TOKEN, or LEVELGATE_APPID and LEVELGATE_APP_SECRET\n"
    hint = "no token: no `make run` is running in this directory: start it, or "
    assert run(member, "import", file, **variables)[2] == hint + wanted
    errors = run(member, "import", file, **{**variables, "LEVELGATE_ADDRESS": "elsewhere:1"})[2]
    assert errors == f"no token: {wanted}"
    running = {"grpc": {"member_level": f"127.0.0.1:{member.port}"}, "token": member.token}
    (tmp_path / "stack.json").write_text(json.dumps(running))
    assert run(member, "import", file, **variables)[0] == 0


def test_an_exported_file_can_be_imported(member: Service, tmp_path: Path) -> None:
    run(member, "import", "-", "--format", "csv", text='user_id,points\n甲,600\n"a,b",1\n')
    for name, arguments in (
        ("all.csv", ()),
        ("all.ndjson", ()),
        ("history.ndjson", ("--with-history",)),
    ):
        file = tmp_path / name
        code, _, errors = run(member, "export", file, *arguments)
        assert code == 0, errors
        content = file.read_text()
        assert "甲" in content
        assert not list(tmp_path.glob("*.part"))
        code, _, errors = run(member, "import", file)
        assert code == 0, errors
        assert "\n0 written, " in f"\n{errors}"
        assert ("CHANGE_KIND_IMPORTED" in content) == bool(arguments)


def test_an_export_replaces_a_file_only_with_force(member: Service, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("mine")
    code, _, errors = run(member, "export", file)
    assert (code, "--force" in errors, file.read_text()) == (1, True, "mine")
    assert run(member, "export", file, "--force")[0] == 0


def test_an_export_goes_to_standard_output(member: Service) -> None:
    code, out, errors = run(member, "export", "-", "--format", "csv")
    assert code == 0
    assert out.startswith("user_id,points,level,by_hand,partner_id,protected_until,version\n")
    assert f"{out.count(chr(10)) - 1} members" in errors


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("import",), "required: file"),
        (("import", "m.csv", "--format", "xml"), "'ndjson', 'csv'"),
        (("import", "m.csv", "--retry-seconds", "soon"), "'soon'"),
        (("import", "nowhere.csv"), "nowhere.csv: No such file"),
        (("import", "/dev/null", "--format", "csv"), "the first line must name columns"),
        (("import", "members.txt"), "--format"),
        (("export", "x.csv", "--with-history"), "NDJSON"),
        (("export", "/tmp/x.csv"), "outside of the directory OPERATOR_FILES"),
        (("import", "../x.csv"), "outside of the directory OPERATOR_FILES"),
    ],
)
def test_a_wrong_command_is_reported_in_one_line(
    member: Service, arguments: tuple[str, ...], wanted: str
) -> None:
    in_container = {"OPERATOR_FILES": "files"} if "OPERATOR_FILES" in wanted else {}
    code, _, errors = run(member, *arguments, **in_container)
    assert (code, errors.count("\n")) == (1, 1)
    assert wanted in errors


def test_a_call_that_the_service_refuses_is_reported_in_one_line(
    member: Service, tmp_path: Path
) -> None:
    file = tmp_path / "m.csv"
    file.write_text("user_id,points\na,1\n")
    refused = (1, "the token is refused; it may have expired: get a new one")
    code, _, errors = run(member, "import", file, LEVELGATE_TOKEN="wrong")
    assert (code, errors.strip()) == refused
    out = tmp_path / "out.csv"
    code, _, errors = run(member, "export", out, LEVELGATE_TOKEN="wrong")
    assert (code, errors.strip()) == refused
    assert list(tmp_path.iterdir()) == [file]
    port = member.port
    member.port = free_ports(1)[0]
    code, _, errors = run(member, "import", file, "--retry-seconds", "0.5")
    member.port = port
    assert code == 1
    assert "does not answer" in errors.splitlines()[-1]
