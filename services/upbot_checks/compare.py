"""The six comparisons of docs/api/upbot-check-game-info.md, "compare_info"."""

from dataclasses import dataclass
from enum import IntEnum


class CompareType(IntEnum):
    """The document's compare_type."""

    EQUAL = 1
    LESS = 2
    LESS_OR_EQUAL = 3
    GREATER = 4
    GREATER_OR_EQUAL = 5
    BETWEEN = 6


@dataclass(frozen=True)
class Comparison:
    """A comparison with a bound; `upper` is the right bound of BETWEEN and not read otherwise."""

    type: CompareType
    value: int
    upper: int = 0

    def holds(self, number: int) -> bool:
        """Whether the number compares as asked; BETWEEN includes both bounds."""
        match self.type:
            case CompareType.EQUAL:
                return number == self.value
            case CompareType.LESS:
                return number < self.value
            case CompareType.LESS_OR_EQUAL:
                return number <= self.value
            case CompareType.GREATER:
                return number > self.value
            case CompareType.GREATER_OR_EQUAL:
                return number >= self.value
            case CompareType.BETWEEN:
                return self.value <= number <= self.upper
