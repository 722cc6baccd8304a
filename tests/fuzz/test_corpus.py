"""Replays the corpus, and makes a short run of the fuzzer with a fixed seed."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.fuzz.findings import corpus
from tests.fuzz.inputs import from_document, to_document
from tests.fuzz.place import Place
from tests.fuzz.run import fuzz
from tests.fuzz.stack import fuzzed_stack
from tests.fuzz.worker import MAKERS, Worker, batches
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


@pytest.fixture(scope="module", params=sorted({entry.given.target for entry in ENTRIES}))
def worker(suite: Suite, request: pytest.FixtureRequest) -> Iterator[Worker]:
    stack, place = suite
    log = stack.directory / "replay.log"
    with closing(Worker(request.param, place, log)) as worker:
        yield worker


def test_an_old_finding_does_not_come_back(worker: Worker) -> None:
    entries = [entry for entry in ENTRIES if entry.given.target == worker.target]
    wrong = {entry.name: why for entry in entries if (why := worker.replay(entry.given))}
    assert wrong.keys() == {entry.name for entry in entries if entry.open}, wrong


def test_a_short_run_finds_nothing(suite: Suite) -> None:
    stack, place = suite
    result = fuzz(stack, place, seconds=SECONDS, inputs=INPUTS, seed=SEED)
    assert result.inputs.total() > 0
    assert list(result.findings.values()) == []


@pytest.mark.parametrize("target", MAKERS)
def test_the_same_seed_or_file_gives_the_same_input(target: str) -> None:
    batch = next(batches(SEED, target, INPUTS))
    first = batch.inputs()
    assert batch.inputs() == first
    assert [from_document(to_document(each)) for each in first] == first
