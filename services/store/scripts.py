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

# How Lua's struct library spells the fields of Python's.
_LUA_FIELDS = str.maketrans({"H": "I2", "I": "I4", "Q": "I8", "i": "i4"})


class Script:
    """The keys of one call must lie on one slot.

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

    The names are declared once, here. The order of KEYS and ARGV and the Lua locals of the same
    names follow from the declaration. The type of an argument says what it is in Lua: int is a
    number, every other one a string; list, which only the last one may be, is a table of strings.
    In a script whose number of keys varies, `keys` is one name, that of the table of all keys.
    """

    def __init__(
        self,
        store: Store,
        text: str,
        *,
        keys: Sequence[str] | str,
        arguments: Mapping[str, type],
        writes: bool = True,
    ) -> None:
        self._keys = keys
        *self._arguments, self._last = arguments
        self._has_list = arguments[self._last] is list
        parameters = _lua_keys(keys) + _lua_arguments(arguments)
        self._script = store.register_script(parameters + text, writes=writes)

    def __call__(self, values: NamedValues) -> Any:
        """Raises redis.RedisError, as Script does."""
        return self._script(*self._call(values))

    def many(self, calls: Sequence[NamedValues]) -> list[Any]:
        """As Script.many."""
        return self._script.many([self._call(values) for values in calls])

    def _call(self, values: NamedValues) -> Call:
        if isinstance(self._keys, str):
            keys = values[self._keys]
        else:
            keys = [values[name] for name in self._keys]
        arguments = [values[name] for name in self._arguments]
        last = values[self._last]
        return keys, [*arguments, *last] if self._has_list else [*arguments, last]


def _lua_keys(keys: Sequence[str] | str) -> str:
    if isinstance(keys, str):
        return f"local {keys} = KEYS\n"
    return "".join(f"local {name} = KEYS[{number}]\n" for number, name in enumerate(keys, 1))


def _lua_arguments(arguments: Mapping[str, type]) -> str:
    lines = []
    for number, (name, kind) in enumerate(arguments.items(), 1):
        value = f"ARGV[{number}]"
        if kind is int:
            value = f"tonumber({value})"
        elif kind is list:
            value = f"{{ unpack(ARGV, {number}) }}"
        lines.append(f"local {name} = {value}\n")
    return "".join(lines)


def lua_constants(constants: Mapping[str, int | struct.Struct]) -> str:
    """Lua that declares these names; a layout becomes a format of Lua's struct library."""
    lines = [f"local {name} = {_lua_value(value)}\n" for name, value in constants.items()]
    return "".join(lines)


def _lua_value(value: int | struct.Struct) -> str:
    if isinstance(value, struct.Struct):
        return f"'{value.format.translate(_LUA_FIELDS)}'"
    return str(int(value))
