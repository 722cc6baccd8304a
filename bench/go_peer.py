"""Builds the peer in Go from Debian's packages, if they are installed:

apt-get install --no-install-recommends golang-go golang-google-grpc-dev golang-grpc-gateway
golang-github-grpc-ecosystem-grpc-gateway-dev protobuf-compiler golang-gopkg-redis.v5-dev

The comparison is with the versions of Debian 12: Go 1.19, grpc-go 1.33 and grpc-gateway 1.6.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).with_name("peers") / "go"
_PACKAGED = Path("/usr/share/gocode")
_APIS = _PACKAGED / "src/github.com/grpc-ecosystem/grpc-gateway/third_party/googleapis"
_TOOLS = ("go", "protoc", "protoc-gen-go", "protoc-gen-grpc-gateway")


def build(directory: Path) -> Path | None:
    """The binary, or None with a message that gives the reason if it cannot be built."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or not _APIS.is_dir():
        sys.stderr.write(f"no comparison with Go: {', '.join(missing) or _APIS} is missing\n")
        return None
    source = directory / "gopath" / "src" / "gopeer"
    shutil.copytree(SOURCES, source, dirs_exist_ok=True)
    (source / "upbotpb").mkdir(exist_ok=True)
    out = directory / "gopath" / "src"
    generate = ["protoc", "-I", str(source), "-I", str(_APIS), f"--go_out=plugins=grpc:{out}"]
    generate += [f"--grpc-gateway_out=logtostderr=true:{out}", "upbot_checks.proto"]
    binary = directory / "gopeer"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": f"{directory / 'gopath'}:{_PACKAGED}",
        "GOCACHE": str(directory / "cache"),
        "CGO_ENABLED": "0",
    }
    try:
        for command in (generate, ["go", "build", "-o", str(binary), "gopeer"]):
            subprocess.run(command, cwd=source, env=environment, check=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"no comparison with Go: {error}\n")
        return None
    return binary
