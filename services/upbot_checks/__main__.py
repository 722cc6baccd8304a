"""`python -m services.upbot_checks`: serves until it is asked to stop."""

import sys

from services.runtime.main import main
from services.upbot_checks.contract import CONTRACT
from services.upbot_checks.settings import UpbotChecksSettings

if __name__ == "__main__":
    sys.exit(main("services.upbot_checks.composition", UpbotChecksSettings, CONTRACT))
