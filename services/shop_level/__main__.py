"""`python -m services.shop_level`: serves until it is asked to stop."""

import sys

from services.runtime.main import main
from services.shop_level.contract import CONTRACT
from services.shop_level.settings import ShopLevelSettings

if __name__ == "__main__":
    sys.exit(main("services.shop_level.composition", ShopLevelSettings, CONTRACT))
