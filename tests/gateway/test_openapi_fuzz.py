"""schemathesis calls the whole suite with requests that the OpenAPI document allows and with others
that it does not, and compares what the gateway answers with the document.
"""

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi import checks

from tests.gateway.violations import is_violation
from tests.support.running import ROOT, RunningStack

DOCUMENT = json.loads((ROOT / "gateway/web/openapi.json").read_text())
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
# All operations together take about 25 seconds.
EXAMPLES = 5
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
# Without two checks of schemathesis. negative_data_rejection wants a status of 4xx, but the
# documents of the families answer a parameter error with 200; `refused_with_the_envelope` takes its
# place.
# ignored_auth wants 401 for every request without a token, but the gateway refuses malformed ones
# before it knows the token; tests/integration/test_access_matrix.py tests what each call needs.
ENVELOPES = {
    "upbot": lambda body: body["ret"] != 0,
    "member": lambda body: body["code"] == "error",
    "shop": lambda body: body["result"] == 0,
}


def refused_with_the_envelope(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """A request that the document does not allow gets the failure of its family and a reason."""
    fields = DOCUMENT["paths"][case.path][case.method.lower()]
    if not is_violation(DOCUMENT, fields, case.query, case.body, case.path_parameters):
        return
    assert ENVELOPES[fields["tags"][0]](response.json()), response.text
    assert response.headers.get("x-levelgate-reason"), response.headers


@pytest.fixture(scope="module")
def schema(stack: RunningStack) -> Iterator[Any]:
    stack.reset()
    # Neither a report nor a list of failures is written.
    generation = GenerationConfig(database="none", allow_x00=False)
    config = SchemathesisConfig(
        projects=ProjectsConfig(default=ProjectConfig(generation=generation))
    )
    loaded = schemathesis.openapi.from_dict(DOCUMENT, config=config)
    loaded.config.update(base_url=stack.gateway)
    yield loaded
    stack.reset()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_gateway_answers_as_the_document_says(
    schema: Any, stack: RunningStack, path: str, method: str, mode: GenerationMode
) -> None:
    operation = schema[path][method.upper()]

    @hypothesis.seed(1)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Case[Any]) -> None:
        # A parameter that is sent twice is refused, and then nothing else is tested.
        if isinstance(case.body, dict):
            kept = {name: value for name, value in case.query.items() if name not in case.body}
            case.query = kept
        case.call_and_validate(
            headers={"Authorization": stack.token},
            checks=[*CHECKS, refused_with_the_envelope],
            timeout=30,
        )

    call()
