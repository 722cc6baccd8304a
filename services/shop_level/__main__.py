"""`python -m services.shop_level`: serves until it is told to stop."""

import sys

from services.runtime.start import start
from services.shop_level.contract import CONTRACT
from services.shop_level.settings import ShopLevelSettings

if __name__ == "__main__":
    sys.exit(start("services.shop_level.composition", ShopLevelSettings, CONTRACT))
