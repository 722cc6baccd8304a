"""Lua scripts of the store, called by their digest.

redis-py's own class loads a script into every node of a cluster when one node does not know it,
and so fails while any primary is down. This one sends the text only to the node that asked for it.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from services.store.store import Store, Value

Call = tuple[Sequence[str], Sequence[Value]]
NamedValues = Mapping[str, Any]

_INT = ":int"
# How Lua's struct library spells the fields of Python's.
_LUA_FIELDS = str.maketrans({"H": "I2", "I": "I4", "Q": "I8", "i": "i4"})


class Script:
    """A Lua script of the store. The keys of one call must lie on one slot.

    Before a call returns, the script's writes are confirmed (Store.confirm), unless it only reads.
    """

    def __init__(self, store: Store, text: str, *, writes: bool = True) -> None:
        self._store = store
        self._text = text
        self._writes = writes
        # The store identifies scripts by this digest; it protects nothing.
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[Value] = ()) -> Any:
        """Raises redis.RedisError, also if the script ran and only the confirmation failed."""
        answer = self._run(keys, args)
        self._confirm()
        return answer

    def many(self, calls: Sequence[Call]) -> list[Any]:
        """Sends many calls together and returns their answers. Only each single call is atomic.

        Raises redis.RedisError if any call fails; others may have been executed.
        """
        if not calls:
            return []
        with self._store.pipeline(transaction=False) as pipeline:
            for keys, args in calls:
                pipeline.execute_command("EVALSHA", self._digest, len(keys), *keys, *args)
            answers = pipeline.execute(raise_on_error=False)
        for position, (keys, args) in enumerate(calls):
            answer = answers[position]
            if isinstance(answer, NoScriptError):
                answers[position] = self._run(keys, args)
            elif isinstance(answer, Exception):
                raise answer
        self._confirm()
        return answers

    def _run(self, keys: Sequence[str], args: Sequence[Value]) -> Any:
        try:
            return self._store.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return self._store.eval(self._text, len(keys), *keys, *args)

    def _confirm(self) -> None:
        if self._writes:
            self._store.confirm()


class NamedScript:
    """A script whose keys and arguments have names.

    The names are declared once, as "first second:int *rest". The order of KEYS and ARGV and the Lua
    locals of the same names follow from the declaration. An argument with ":int" is a number in
    Lua, every other one a string; `*rest` is a table of all remaining ones.
    """

    def __init__(
        self, store: Store, text: str, *, keys: str, arguments: str, writes: bool = True
    ) -> None:
        self._keys, self._arguments = _Names(keys), _Names(arguments)
        parameters = self._keys.lua("KEYS") + self._arguments.lua("ARGV")
        self._script = Script(store, parameters + text, writes=writes)

    def __call__(self, shared: NamedValues | None = None, **values: Any) -> Any:
        """Raises redis.RedisError, as Script does. `shared` holds further values by name."""
        return self._script(*self._call({**(shared or {}), **values}))

    def many(self, calls: Sequence[NamedValues]) -> list[Any]:
        """As Script.many, with the values of each call by name."""
        return self._script.many([self._call(values) for values in calls])

    def _call(self, values: NamedValues) -> Call:
        return self._keys.values(values), self._arguments.values(values)


class _Names:
    """The declared names of KEYS or ARGV, in their order."""

    def __init__(self, declaration: str) -> None:
        self._declared = declaration.split()
        names = [each.removesuffix(_INT) for each in self._declared]
        self._rest = names.pop()[1:] if names and names[-1].startswith("*") else ""
        self._names = names

    def lua(self, table: str) -> str:
        """Lua that declares locals with these names."""
        lines = []
        for number, name in enumerate(self._names, 1):
            is_number = self._declared[number - 1].endswith(_INT)
            value = f"{table}[{number}]"
            lines.append(f"local {name} = {f'tonumber({value})' if is_number else value}\n")
        if self._rest:
            lines.append(f"local {self._rest} = {{ unpack({table}, {len(self._names) + 1}) }}\n")
        return "".join(lines)

    def values(self, named: NamedValues) -> list[Any]:
        values = [named[name] for name in self._names]
        return [*values, *named[self._rest]] if self._rest else values


def lua_constants(constants: Mapping[str, int | struct.Struct]) -> str:
    """Lua that declares these names; a layout becomes a format of Lua's struct library."""
    lines = [f"local {name} = {_lua_value(value)}\n" for name, value in constants.items()]
    return "".join(lines)


def _lua_value(value: int | struct.Struct) -> str:
    if isinstance(value, struct.Struct):
        return f"'{value.format.translate(_LUA_FIELDS)}'"
    return str(int(value))
