"""The RPCs that upbot_checks serves."""

from levelgate.access.v1 import access_tokens_pb2, registered_apps_pb2
from levelgate.upbot.v1 import eligibility_pb2, upbot_checks_pb2, user_facts_pb2
from services.runtime.methods import Contract

CONTRACT = Contract(
    [
        upbot_checks_pb2.DESCRIPTOR.services_by_name["UpbotChecks"],
        eligibility_pb2.DESCRIPTOR.services_by_name["Eligibility"],
        user_facts_pb2.DESCRIPTOR.services_by_name["UserFacts"],
        access_tokens_pb2.DESCRIPTOR.services_by_name["AccessTokens"],
        registered_apps_pb2.DESCRIPTOR.services_by_name["RegisteredApps"],
    ],
    long=frozenset(
        {
            "/levelgate.upbot.v1.Eligibility/BatchCheck",
            "/levelgate.upbot.v1.Eligibility/FindUsersPage",
            "/levelgate.upbot.v1.Eligibility/CountUsers",
            "/levelgate.access.v1.RegisteredApps/ListApps",
            # For a user with the maximum number of facts it reads and writes 3 MB.
            "/levelgate.upbot.v1.UserFacts/GetUserFacts",
        }
    ),
)
