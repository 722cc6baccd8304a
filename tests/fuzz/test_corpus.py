"""Replays the corpus, and makes a short run of the fuzzer with a fixed seed."""

import multiprocessing
from collections.abc import Iterator, Mapping
from multiprocessing.queues import Queue

import pytest

from tests.fuzz.findings import Entry, corpus
from tests.fuzz.inputs import from_document, to_document
from tests.fuzz.place import Place
from tests.fuzz.run import fuzz
from tests.fuzz.stack import fuzzed_stack
from tests.fuzz.worker import MAKERS, inputs_of, replay
from tests.support.running import RunningStack

# It keeps all processors busy.
pytestmark = pytest.mark.alone

SEED, INPUTS, SECONDS = 11, 3_000, 15.0
ENTRIES = list(corpus())
Suite = tuple[RunningStack, Place]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with fuzzed_stack(tmp_path_factory.mktemp("fuzz")) as running:
        yield running


@pytest.fixture(scope="module")
def answers(suite: Suite) -> Mapping[str, str | None]:
    """What is wrong with the answer to each entry, which another process sends like a worker."""
    stack, place = suite
    spawn = multiprocessing.get_context("spawn")
    done: Queue[str | None] = spawn.Queue()
    inputs = [entry.given for entry in ENTRIES]
    log = stack.directory / "replay.log"
    process = spawn.Process(target=replay, args=(place, inputs, done, log), daemon=True)
    process.start()
    found = {entry.name: done.get(timeout=60) for entry in ENTRIES}
    process.join(30)
    return found


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_old_finding_does_not_come_back(
    entry: Entry, answers: Mapping[str, str | None], request: pytest.FixtureRequest
) -> None:
    if entry.open:
        request.node.add_marker(pytest.mark.xfail(strict=True, reason=entry.open))
    assert answers[entry.name] is None


def test_a_short_run_finds_nothing(suite: Suite) -> None:
    stack, place = suite
    result = fuzz(stack, place, seconds=SECONDS, inputs=INPUTS, seed=SEED)
    assert result.inputs.total() > 0
    assert list(result.findings.values()) == []


@pytest.mark.parametrize("target", MAKERS)
def test_the_same_seed_or_file_gives_the_same_input(target: str) -> None:
    first = inputs_of(target, SEED, 0)
    assert inputs_of(target, SEED, 0) == first
    assert [from_document(to_document(each)) for each in first] == first
