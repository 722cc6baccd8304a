"""`python -m operations.commands.members` with a real service."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from levelgate.member.v1 import member_bulk_pb2 as pb
from levelgate.member.v1.member_bulk_pb2_grpc import (
    MemberBulkServicer,
    add_MemberBulkServicer_to_server,
)
from levelgate.member.v1.member_level_pb2 import ShowUserRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from operations.commands.bulk.service import RETRIES
from operations.commands.members import main
from tests.stack.waiting import free_ports
from tests.support.running import ROOT, RunningStack

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command; returns its exit code and what it wrote to standard output and error."""
    stack.reset()
    monkeypatch.setenv("LEVELGATE_ADDRESS", stack.grpc["member_level"])
    monkeypatch.setenv("LEVELGATE_TOKEN_ADDRESS", stack.grpc["upbot_checks"])
    monkeypatch.setenv("LEVELGATE_APPID", stack.appid)
    monkeypatch.setenv("LEVELGATE_APP_SECRET", stack.app_secret)
    monkeypatch.setitem(RETRIES, "initialBackoff", "0.01s")
    monkeypatch.setitem(RETRIES, "maxBackoff", "0.01s")

    def command(*arguments: object, **variables: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            try:
                code: object = main(list(map(str, arguments)))
            except SystemExit as error:
                code = error.code
        out, errors = capfd.readouterr()
        if isinstance(code, str):
            code, errors = 1, f"{errors}{code}\n"
        assert isinstance(code, int)
        assert stack.app_secret not in errors
        return code, out, errors

    return command


@pytest.fixture
def level_of(stack: RunningStack) -> Iterator[Callable[[str], int]]:
    with grpc.insecure_channel(stack.grpc["member_level"]) as channel:
        members = MemberLevelStub(channel)
        metadata = (("authorization", stack.token),)

        def level(user: str) -> int:
            request = ShowUserRequest(user_id=user)
            return int(members.ShowUser(request, timeout=5, metadata=metadata).data.level)

        yield level


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that can be imported."""
    path = tmp_path / "m.csv"
    path.write_text("user_id,points\na,1\n")
    return path


def rejected(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_wrong_lines_of_a_csv_file_are_rejected_and_the_others_are_imported(
    run: Run, level_of: Callable[[str], int], tmp_path: Path
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
    code, _, errors = run("import", file)
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
    assert level_of("csv-5") == 3
    assert run("import", file)[2].startswith("0 written, 2 unchanged, 3 rejected")


def test_a_carriage_return_or_an_open_quote_rejects_only_its_own_line(
    run: Run, level_of: Callable[[str], int], tmp_path: Path
) -> None:
    file = tmp_path / "m.csv"
    before = [f"before-{number},600" for number in range(100)]
    after = [f"after-{number},600" for number in range(100)]
    wrong = ["bad\rcell,5", '"open,5', '"a"b,5']
    file.write_bytes("\n".join(["user_id,points", *before, *wrong, *after]).encode())
    code, _, errors = run("import", file)
    assert (code, errors.partition(" rejected")[0]) == (2, "200 written, 0 unchanged, 3")
    rejects = rejected(tmp_path / "m.csv.rejects.ndjson")
    assert [(each["line"], each["text"]) for each in rejects] == list(enumerate(wrong, 102))
    assert [each["reason"] for each in rejects] == [
        "must be one record of CSV: new-line character seen in unquoted field",
        "must be one record of CSV: unexpected end of data",
        "must be one record of CSV: ',' expected after '\"'",
    ]
    for user in ("before-0", "before-99", "after-0", "after-99"):
        assert level_of(user) == 1


def test_a_file_without_a_valid_line_changes_nothing(run: Run, file: Path) -> None:
    file.write_text("user_id,points\na,x\nb\n")
    code, _, errors = run("import", file)
    assert (code, errors.partition(",")[0], "2 rejected" in errors) == (2, "0 written", True)
    file.write_text("user_id,points\n")
    assert run("import", file)[2] == "0 written, 0 unchanged, 0 rejected\n"


class Restarting(MemberBulkServicer):
    """A service that stops during the first calls; another instance then takes over."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def ImportUsers(  # noqa: N802
        self, requests: Any, context: grpc.ServicerContext
    ) -> pb.ImportUsersResponse:
        users = [user.user_id for request in requests for user in request.users]
        self.calls.append(users)
        if len(self.calls) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "")
        return pb.ImportUsersResponse(written=len(users))

    def ExportUsers(  # noqa: N802
        self, request: pb.ExportUsersRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportUsersResponse]:
        self.calls.append(request.cursor)
        rest = {"": ("a", "b"), "a": ("b",)}[request.cursor]
        for user in rest:
            yield pb.ExportUsersResponse(users=[pb.UserRow(user_id=user)], cursor=user)
            if request.cursor == "":
                context.abort(grpc.StatusCode.UNAVAILABLE, "")


@pytest.fixture
def restarting() -> Iterator[tuple[Restarting, str]]:
    service = Restarting()
    server = grpc.server(ThreadPoolExecutor(1))
    add_MemberBulkServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service, f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_an_import_is_repeated_and_an_export_continues_when_the_service_restarts(
    run: Run, restarting: tuple[Restarting, str], file: Path, tmp_path: Path
) -> None:
    service, address = restarting
    code, _, errors = run("import", file, LEVELGATE_ADDRESS=address)
    assert (code, errors) == (0, "1 written, 0 unchanged, 0 rejected\n")
    assert service.calls == [["a"], ["a"], ["a"]]
    service.calls.clear()
    out = tmp_path / "out.ndjson"
    code, _, errors = run("export", out, LEVELGATE_ADDRESS=address)
    assert (code, errors) == (0, "2 members\n")
    assert service.calls == ["", "a"]
    assert out.read_text() == '{"userId": "a"}\n{"userId": "b"}\n'


@pytest.mark.usefixtures("run")
def test_an_import_reads_a_slow_pipe_from_the_first_byte(level_of: Callable[[str], int]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "operations.commands.members", "import", "-", "--format", "csv"],
        cwd=ROOT,
        env=os.environ,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    # The first piece is shorter than a byte order mark.
    for piece in ("u", "s", "er_id,points\npipe-1,6", "00\npipe-2,1500\n"):
        process.stdin.write(piece)
        process.stdin.flush()
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors) == (0, "2 written, 0 unchanged, 0 rejected\n")
    assert [level_of(user) for user in ("pipe-1", "pipe-2")] == [1, 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_a_csv_file_with_a_wrong_header_or_encoding_is_refused(
    run: Run, file: Path, encoding: str
) -> None:
    header = "user,points" if encoding == "utf-8" else "user_id,points"
    file.write_text(f"{header}\na,1\n", encoding=encoding)
    code, _, errors = run("import", file)
    assert (code, errors.count("\n"), "the first line must name" in errors) == (1, 1, True)


def test_a_command_without_an_app_says_where_to_get_one(
    run: Run, stack: RunningStack, file: Path, tmp_path: Path
) -> None:
    variables = {
        "LEVELGATE_APPID": "",
        "LEVELGATE_ADDRESS": "",
        "LEVELGATE_TOKEN_ADDRESS": "",
        "STACK_DIRECTORY": str(tmp_path),
    }
    wanted = "LEVELGATE_APPID and LEVELGATE_APP_SECRET\n"
    hint = "no `make run` is running in this directory: start it, or set LEVELGATE_ADDRESS, "
    assert run("import", file, **variables)[2] == hint + wanted
    (tmp_path / "stack.json").write_text((stack.directory / "stack.json").read_text())
    assert run("import", file, **variables)[0] == 0
    # The app of the running stack is not sent to another one.
    errors = run("import", file, **{**variables, "LEVELGATE_ADDRESS": "elsewhere:1"})[2]
    assert errors == f"no token: set {wanted}"


def test_an_exported_file_can_be_imported(run: Run, file: Path, tmp_path: Path) -> None:
    file.write_text('user_id,points\n甲,600\n"a,b",1\n')
    run("import", file)
    for name, arguments in (
        ("all.csv", ()),
        ("all.ndjson", ()),
        ("history.ndjson", ("--with-history",)),
    ):
        exported = tmp_path / name
        code, _, errors = run("export", exported, *arguments)
        assert code == 0, errors
        content = exported.read_text()
        assert "甲" in content
        assert not list(tmp_path.glob("*.part"))
        code, _, errors = run("import", exported)
        assert (code, errors) == (0, "0 written, 6 unchanged, 0 rejected\n")
        assert ("CHANGE_KIND_IMPORTED" in content) == bool(arguments)


def test_an_export_never_replaces_a_file(run: Run, file: Path) -> None:
    before = file.read_text()
    code, _, errors = run("export", file)
    assert (code, errors) == (1, f"{file} exists already: delete it, or give another name\n")
    assert file.read_text() == before


def test_an_export_goes_to_standard_output(run: Run) -> None:
    code, out, errors = run("export", "-", "--format", "csv")
    assert code == 0
    assert out.startswith("user_id,points,level,by_hand,partner_id,protected_until,version\n")
    assert f"{out.count(chr(10)) - 1} members" in errors


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), "required: command"),
        (("import",), "required: file"),
        (("import", "m.csv", "--format", "xml"), "'ndjson', 'csv'"),
        (("import", "m.csv", "--force"), "--force"),
    ],
)
def test_wrong_arguments_are_answered_with_the_usage(
    run: Run, arguments: tuple[str, ...], wanted: str
) -> None:
    code, _, errors = run(*arguments)
    assert (code, errors.startswith("usage: ")) == (2, True)
    assert wanted in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("import", "nowhere.csv"), "nowhere.csv: No such file"),
        (("import", "/dev/null", "--format", "csv"), "the first line must name columns"),
        (("import", "members.txt"), "--format"),
        (("export", "x.csv", "--with-history"), "NDJSON"),
        (("export", "/tmp/x.csv"), "outside of the directory OPERATOR_FILES"),
        (("import", "../x.csv"), "outside of the directory OPERATOR_FILES"),
    ],
)
def test_a_wrong_command_is_reported_in_one_line(
    run: Run, arguments: tuple[str, ...], wanted: str
) -> None:
    in_container = {"OPERATOR_FILES": "files"} if "OPERATOR_FILES" in wanted else {}
    code, _, errors = run(*arguments, **in_container)
    assert (code, errors.count("\n")) == (1, 1)
    assert wanted in errors


def test_a_call_that_fails_is_reported_in_one_line(
    run: Run, stack: RunningStack, file: Path, tmp_path: Path
) -> None:
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    target, gateway = stack.grpc["upbot_checks"], stack.gateway.removeprefix("http://")
    check = "check LEVELGATE_APPID, LEVELGATE_APP_SECRET and LEVELGATE_TOKEN_ADDRESS\n"
    for variable, value, wanted in (
        ("LEVELGATE_APP_SECRET", "wrong", f"no token from {target}: UNAUTHENTICATED; {check}"),
        ("LEVELGATE_TOKEN_ADDRESS", nobody, f"no token from {nobody}: UNAVAILABLE; {check}"),
        ("LEVELGATE_ADDRESS", nobody, f"member_level does not answer at {nobody}: set "),
        ("LEVELGATE_ADDRESS", gateway, f"{gateway} is not member_level's own port; "),
    ):
        for command in (("import", file), ("export", tmp_path / "out.csv")):
            code, _, errors = run(*command, **{variable: value})
            assert (code, errors.count("\n")) == (1, 1)
            assert errors.startswith(wanted)
    assert list(tmp_path.iterdir()) == [file]
