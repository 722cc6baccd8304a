"""The pages that the gateway serves: the files of gateway/web/, and what Envoy has to know of them.

Lua finds a path in the table that is rendered here, and the filter file_server sends the file. So
only the paths of this table exist, whatever is in the directory and however a path is spelled, and
no file is read as a whole into Envoy's memory.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent / "web"

# By the end of the name. Other files are not served.
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".woff2": "font/woff2",
}
# As in the route of envoy.yaml.
_SERVED = ("docs/", "console/", "openapi.")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The reference page writes its own style elements.
_STYLES = {"docs": "'self' 'unsafe-inline'"}
_INDEX = "index.html"
# A file that becomes hardly smaller is sent as it is.
_WORTH_COMPRESSING = 0.9


@dataclass(frozen=True)
class WebFile:
    """One file, in both of its forms."""

    name: str
    """Its path in the directory, for example "docs/index.html"."""
    content: bytes

    @cached_property
    def compressed(self) -> bytes | None:
        """Compressed once, when the gateway starts: if it were done for each request, anybody could
        occupy a thread of Envoy.
        """
        # Without a time, so that every gateway has the same bytes.
        compressed = gzip.compress(self.content, mtime=0)
        is_worth_it = len(compressed) < _WORTH_COMPRESSING * len(self.content)
        return compressed if is_worth_it else None

    @property
    def paths(self) -> list[str]:
        """The paths of URLs under which it is served."""
        folder, _, last = f"/{self.name}".rpartition("/")
        return [f"{folder}/"] if last == _INDEX else [f"/{self.name}"]

    @property
    def etag(self) -> str:
        """A weak tag, which both forms share."""
        return f'W/"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES[Path(self.name).suffix]

    @property
    def policy(self) -> str:
        return _POLICY.format(styles=_STYLES.get(self.name.partition("/")[0], "'self'"))


def web_files(root: Path | None = None) -> list[WebFile]:
    """All files that are served. A link is not: it might lead out of the directory."""
    root = root or ROOT
    found = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())
    names = {path.relative_to(root).as_posix(): path for path in found}
    return [
        WebFile(name, path.read_bytes())
        for name, path in names.items()
        if path.suffix in _CONTENT_TYPES and name.startswith(_SERVED)
    ]


def lua_table(files: Iterable[WebFile]) -> str:
    """What web.lua has to know: each path with its file, or with the page that it leads to."""
    rows = []
    for each in files:
        values = {
            "file": f"/{each.name}",
            "type": each.content_type,
            "etag": each.etag,
            "policy": each.policy,
        }
        fields = [f"{key} = {_quoted(value)}" for key, value in values.items()]
        if each.compressed is not None:
            fields.append("has_gzip = true")
        for path in each.paths:
            rows.append(f"[{_quoted(path)}] = {{ {', '.join(fields)} }}")
            if path.endswith("/") and path != "/":
                # Relative, so that it also works where a proxy serves the gateway below a path.
                target = f"{path.rstrip('/').rpartition('/')[2]}/"
                rows.append(f"[{_quoted(path[:-1])}] = {{ location = {_quoted(target)} }}")
    return f"{{ {', '.join(rows)} }}"


def write(files: Iterable[WebFile], directory: Path) -> None:
    """Writes the files for Envoy, each in both of its forms."""
    for name, content in forms(files).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def forms(files: Iterable[WebFile]) -> dict[str, bytes]:
    """The files by their names, and their compressed forms by these names and ".gz"."""
    found = {}
    for each in files:
        found[each.name] = each.content
        if (compressed := each.compressed) is not None:
            found[f"{each.name}.gz"] = compressed
    return found


def _quoted(text: str) -> str:
    # What JSON escapes in ASCII, Lua escapes in the same way; names have no other characters.
    return json.dumps(text)
