"""`python -m services.member_level`: serves until it is asked to stop."""

import sys

from services.member_level.contract import CONTRACT
from services.member_level.settings import MemberLevelSettings
from services.runtime.main import main

if __name__ == "__main__":
    sys.exit(main("services.member_level.composition", MemberLevelSettings, CONTRACT))
