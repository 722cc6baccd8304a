"""The RPC that shows the apps."""

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.access.v1 import registered_apps_pb2 as pb
from levelgate.access.v1.registered_apps_pb2_grpc import RegisteredAppsServicer
from services.access.apps import Apps, ListedApp

_DEFAULT_PAGE_SIZE = 100


class RegisteredApps(RegisteredAppsServicer):
    """Implements levelgate.access.v1.RegisteredApps."""

    def __init__(self, apps: Apps) -> None:
        self._apps = apps

    def ListApps(
        self, request: pb.ListAppsRequest, _context: grpc.ServicerContext
    ) -> pb.ListAppsResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE_SIZE
        page, has_more = self._apps.page(size, request.after)
        data = pb.ListedApps(apps=map(_app_message, page), has_more=has_more)
        return pb.ListAppsResponse(data=data)


def _app_message(listed: ListedApp) -> pb.ListedApp:
    app, last = listed
    return pb.ListedApp(
        appid=app.appid,
        scopes=app.scopes,
        created=Timestamp(seconds=app.created),
        revoked=app.revoked,
        last_token=None if last is None else Timestamp(seconds=last),
    )
