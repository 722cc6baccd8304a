"""What an import replies about the rows that it rejects."""

from levelgate.member.v1.member_bulk_pb2 import ImportUsersResponse, RejectedRow, UserRow
from services.member_level.bulk_servicer import MAX_REJECTS
from services.member_level.import_rows import RowReader
from services.runtime.errors import Violation


def test_the_most_rejects_of_an_import_fit_into_its_reply() -> None:
    levels = frozenset(range(2**31 - 200, 2**31 - 100))
    found = RowReader(levels).read(UserRow(user_id="u", points=1, level=2**31 - 1))
    assert isinstance(found, Violation)
    reject = RejectedRow(position=2**31 - 1, field=found.field, description=found.description)
    reply = ImportUsersResponse(rejects=[reject] * MAX_REJECTS)
    assert reply.ByteSize() < 4 * 2**20
