"""Scripts get their keys and arguments by name, whatever the order in which a caller lists them."""

import pytest

from services.store.scripts import NamedScript
from services.store.store import Store


def test_a_script_gets_its_keys_and_arguments_by_name(store: Store) -> None:
    script = NamedScript(
        store,
        "return { first_key, second_key, number + 1, text, #words, words[2] }",
        keys="first_key second_key",
        arguments="number:int text *words",
    )
    values = {
        "words": ["a", "b"],
        "text": "7",
        "number": 7,
        "second_key": "{x}2",
        "first_key": "{x}1",
    }
    answer = [b"{x}1", b"{x}2", 8, b"7", 2, b"b"]
    assert script(values) == answer
    assert script.many([values, values]) == [answer, answer]
    del values["text"]
    with pytest.raises(KeyError):
        script(values)


def test_a_script_with_any_number_of_keys_gets_them_as_a_table(store: Store) -> None:
    script = NamedScript(
        store, "return { #names, names[3], text }", keys="*names", arguments="text"
    )
    assert script(names=["{x}1", "{x}2", "{x}3"], text="t") == [3, b"{x}3", b"t"]
