"""Every input that was once found, again; and a short run of the fuzzer with a fixed seed."""

from collections.abc import Iterator

import pytest

from tests.fuzz.found import Entry, entries
from tests.fuzz.fuzzing import fuzz
from tests.fuzz.inputs import from_document, to_document
from tests.fuzz.known import known
from tests.fuzz.logs import Logs
from tests.fuzz.place import Place
from tests.fuzz.stack import fuzzed_stack, log_files
from tests.fuzz.worker import MAKERS, TARGETS, inputs_of
from tests.support.running import RunningStack

SEED, INPUTS, SECONDS = 11, 4_000, 15.0
Suite = tuple[RunningStack, Place]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with fuzzed_stack(tmp_path_factory.mktemp("fuzz")) as running:
        yield running


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_what_was_once_found_is_found_no_more(
    entry: Entry, suite: Suite, request: pytest.FixtureRequest
) -> None:
    stack, place = suite
    if entry.open:
        request.node.add_marker(pytest.mark.xfail(strict=True, reason=entry.open))
    logs = Logs(log_files(stack))
    (why,) = TARGETS[entry.given.target](place).wrong_with([entry.given])
    assert why is None
    assert list(logs.findings()) == []


def test_a_short_run_finds_nothing(suite: Suite) -> None:
    stack, place = suite
    result = fuzz(stack, place, seconds=SECONDS, inputs=INPUTS, seed=SEED)
    assert result.inputs.total() > 0
    assert [each for each in result.findings.values() if not known(each)] == []


@pytest.mark.parametrize("target", MAKERS)
def test_an_input_is_the_same_for_the_same_seed_and_from_a_file(target: str) -> None:
    first = inputs_of(target, SEED, 0)
    assert inputs_of(target, SEED, 0) == first
    assert [from_document(to_document(each)) for each in first] == first
