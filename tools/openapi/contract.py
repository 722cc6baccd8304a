"""Reads the contracts with their comments, as the other modules of this package need them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor

from tools.routes import Route, load, read_routes

# The numbers of fields in descriptor.proto, from which the paths of comments are made.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_METHODS = _FIELDS = _VALUES = 2
_NESTED_MESSAGES, _NESTED_ENUMS = 3, 4


@dataclass(frozen=True)
class Contract:
    """The JSON calls, their messages, and the comment of each by its full name."""

    pool: descriptor_pool.DescriptorPool
    routes: list[Route]
    comments: Mapping[str, str]

    def json_names(self, named: Any) -> Mapping[str, str]:
        """The JSON names of the fields of the package that contains `named`, by name."""
        names: dict[str, str] = {}
        for message in named.file.message_types_by_name.values():
            for field in message.fields:
                names.setdefault(field.name, field.json_name)
        return names

    def message(self, name: str) -> Descriptor:
        return self.pool.FindMessageTypeByName(name)

    def reply_of(self, route: Route) -> Descriptor:
        service, method = route.rpc.split("/")
        found = self.pool.FindServiceByName(service).FindMethodByName(method)
        return found.output_type


def read_contract(image: bytes) -> Contract:
    """`image` is a descriptor set with source information."""
    files = descriptor_pb2.FileDescriptorSet.FromString(image).file
    own = [file for file in files if file.package.startswith("levelgate.")]
    comments: dict[str, str] = {}
    for file in own:
        comments.update(_comments(file))
    routes = [route for route in read_routes(image) if route.path != "-"]
    return Contract(load(image), routes, comments)


def _comments(file: descriptor_pb2.FileDescriptorProto) -> dict[str, str]:
    texts = {
        tuple(location.path): _one_line(location.leading_comments)
        for location in file.source_code_info.location
        if location.leading_comments
    }
    return {name: texts[path] for name, path in _named(file) if path in texts}


def _named(file: descriptor_pb2.FileDescriptorProto) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Yields the full name and the path of everything that may have a comment."""
    for at, service in enumerate(file.service):
        name, path = f"{file.package}.{service.name}", (_SERVICES, at)
        yield name, path
        yield from _children(name, path, _METHODS, service.method)
    yield from _enums(file.package, (), _ENUMS, file.enum_type)
    for at, message in enumerate(file.message_type):
        yield from _message(f"{file.package}.{message.name}", (_MESSAGES, at), message)


def _message(
    name: str, path: tuple[int, ...], message: descriptor_pb2.DescriptorProto
) -> Iterable[tuple[str, tuple[int, ...]]]:
    yield name, path
    yield from _children(name, path, _FIELDS, message.field)
    yield from _enums(name, path, _NESTED_ENUMS, message.enum_type)
    for at, nested in enumerate(message.nested_type):
        yield from _message(f"{name}.{nested.name}", (*path, _NESTED_MESSAGES, at), nested)


def _enums(
    parent: str, path: tuple[int, ...], kind: int, enums: Iterable[Any]
) -> Iterable[tuple[str, tuple[int, ...]]]:
    for at, enum in enumerate(enums):
        yield f"{parent}.{enum.name}", (*path, kind, at)
        yield from _children(f"{parent}.{enum.name}", (*path, kind, at), _VALUES, enum.value)


def _children(
    parent: str, path: tuple[int, ...], kind: int, children: Iterable[Any]
) -> Iterable[tuple[str, tuple[int, ...]]]:
    for at, child in enumerate(children):
        yield f"{parent}.{child.name}", (*path, kind, at)


def _one_line(comment: str) -> str:
    return " ".join(comment.split())


def camel_case(name: str) -> str:
    """The name that protobuf gives a field in JSON if the contract names no other."""
    head, *others = name.split("_")
    return head + "".join(part.capitalize() for part in others)
