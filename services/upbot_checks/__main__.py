"""`python -m services.upbot_checks`: serves until it is told to stop."""

import sys

from services.runtime.start import start
from services.upbot_checks.contract import CONTRACT
from services.upbot_checks.settings import UpbotChecksSettings

if __name__ == "__main__":
    sys.exit(start("services.upbot_checks.composition", UpbotChecksSettings, CONTRACT))
