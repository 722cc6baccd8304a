"""The RPCs that import and export all members."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import grpc

from levelgate.member.v1 import member_bulk_pb2 as pb
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkServicer
from services.member_level import failures
from services.member_level.cursors import (
    ExportCursor,
    export_cursor,
    read_export_cursor,
)
from services.member_level.import_rows import RowReader
from services.member_level.messages import row_message
from services.rules.rule_book import RuleBook
from services.runtime.call import current_app
from services.runtime.cursor_text import CursorError
from services.runtime.validation import Validator
from services.store.batches import batched
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import BUCKETS_AT_A_TIME
from services.user_state.rows import Row

# Rejected rows that the reply describes; the rest are only counted, to limit its size.
MAX_REJECTS = 20_000
# Rows that are written together. More rows share more buckets, and the rows of a bucket share one
# call of the script; the rows of a single message would be spread over as many buckets.
_ROWS_AT_A_TIME = 16_384
_ROWS_PER_MESSAGE = 500
# Clients accept messages of 4 MiB, and a row with its history may have 73 KB.
_ROWS_WITH_HISTORY = 50


class MemberBulk(MemberBulkServicer):
    """Implements levelgate.member.v1.MemberBulk."""

    def __init__(self, bulk: BulkUsers, rules: RuleBook, validator: Validator) -> None:
        self._bulk = bulk
        self._rules = rules
        self._validator = validator

    def ImportUsers(
        self, request_iterator: Iterator[pb.ImportUsersRequest], _context: grpc.ServicerContext
    ) -> pb.ImportUsersResponse:
        reply = pb.ImportUsersResponse()
        app = current_app()
        accepted = 0
        # The next rows are read while the store writes the previous ones.
        with ThreadPoolExecutor(1, "import") as writer:
            writing: Future[int] | None = None
            for rows in batched(self._rows(request_iterator, reply), _ROWS_AT_A_TIME):
                accepted += len(rows)
                if writing is not None:
                    reply.written += writing.result()
                writing = writer.submit(self._write, rows, app)
            if writing is not None:
                reply.written += writing.result()
        reply.unchanged = accepted - reply.written
        return reply

    def ExportUsers(
        self, request: pb.ExportUsersRequest, _context: grpc.ServicerContext
    ) -> Iterator[pb.ExportUsersResponse]:
        start = self._start(request.cursor)
        message = pb.ExportUsersResponse()
        most = _ROWS_WITH_HISTORY if request.with_history else _ROWS_PER_MESSAGE
        after = start.user
        for buckets in batched(self._bulk.buckets.all()[start.bucket :], BUCKETS_AT_A_TIME):
            # Read for each batch: a level may get its first rule during the export.
            levels = self._rules.book().levels
            for bucket, user, record in self._bulk.users(buckets, levels, after):
                message.users.append(row_message(user, record, with_history=request.with_history))
                if len(message.users) >= most:
                    yield self._with_cursor(message, ExportCursor(bucket.number, user))
                    message = pb.ExportUsersResponse()
            after = ""
        yield self._with_cursor(message, ExportCursor(self._bulk.buckets.count, ""))

    def _rows(
        self, requests: Iterable[pb.ImportUsersRequest], reply: pb.ImportUsersResponse
    ) -> Iterator[Row]:
        book = self._rules.book()
        if not book.ladder.rules:
            raise failures.no_rules()
        reader = RowReader(frozenset(rule.level for rule in book.ladder.rules))
        position = 0
        for request in requests:
            self._validator.validate(request)
            for message in request.users:
                position += 1
                row = reader.read(message)
                if isinstance(row, Row):
                    yield row
                    continue
                reply.rejected += 1
                if len(reply.rejects) < MAX_REJECTS:
                    reply.rejects.add(
                        position=position, field=row.field, description=row.description
                    )

    def _write(self, rows: Sequence[Row], app: str) -> int:
        return self._bulk.write(rows, self._rules.book().thresholds, app)

    def _start(self, cursor: str) -> ExportCursor:
        if not cursor:
            return ExportCursor(0, "")
        try:
            start = read_export_cursor(cursor)
        except CursorError:
            raise failures.cursor_invalid() from None
        if start.bucket > self._bulk.buckets.count:
            raise failures.cursor_invalid()
        return start

    def _with_cursor(
        self, message: pb.ExportUsersResponse, cursor: ExportCursor
    ) -> pb.ExportUsersResponse:
        message.cursor = export_cursor(cursor)
        message.percent = 100 * cursor.bucket // self._bulk.buckets.count
        return message
