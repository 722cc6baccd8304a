"""The list of services agrees with the services themselves."""

from importlib import import_module

import pytest

from services.runtime.methods import Contract
from services.runtime.settings import settings_of
from services.suite import SUITE, SuiteService

each_service = pytest.mark.parametrize("service", SUITE, ids=lambda service: service.name)


@each_service
def test_the_list_names_the_proto_services_that_a_service_answers(service: SuiteService) -> None:
    contract: Contract = import_module(f"services.{service.name}.contract").CONTRACT
    answered = {path.split("/")[1] for path, _ in contract.methods()}
    assert answered == {*service.public, *service.internal}


@each_service
def test_the_list_has_the_default_ports_of_a_service(service: SuiteService) -> None:
    fields = settings_of(service.name).model_fields
    assert fields["port"].default == service.port
    assert fields["metrics_port"].default == service.metrics_port
    assert fields["maximum_message_bytes"].default == service.message_mib * 2**20
