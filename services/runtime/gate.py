"""The conditions that a call must meet before its message is decoded."""

from dataclasses import dataclass

from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.call import Call, Caller, set_current_caller
from services.runtime.health import StoreAvailability
from services.runtime.tolerances import Tolerances


@dataclass(frozen=True)
class Gate:
    """Checks that the store is available, who calls, and how often."""

    availability: StoreAvailability
    policy: Policy
    app_rate: AppRate
    tolerances: Tolerances

    def identify(self, call: Call) -> Caller:
        """Returns the caller. Raises Failure if the store is unavailable or access is denied."""
        self.availability.require()
        return self.policy.admit(call.method, call.authorization)

    def admit(self, call: Call) -> None:
        """As `identify`, but also counts the call, and sets the caller for the current thread."""
        caller = self.identify(call)
        if caller.appid is not None:
            self.app_rate.take(caller.appid)
        set_current_caller(caller)
        self.tolerances.admitted(caller, call)
