"""`python -m services.member_level`: serves until it is told to stop."""

import sys

from services.member_level.contract import CONTRACT
from services.member_level.settings import MemberLevelSettings
from services.runtime.start import start

if __name__ == "__main__":
    sys.exit(start("services.member_level.composition", MemberLevelSettings, CONTRACT))
