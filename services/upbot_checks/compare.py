"""The six comparisons of "compare_info" in docs/api/upbot-check-game-info.md."""

from dataclasses import dataclass
from enum import IntEnum


class CompareType(IntEnum):
    """The values of compare_type in the document."""

    EQUAL = 1
    LESS = 2
    LESS_OR_EQUAL = 3
    GREATER = 4
    GREATER_OR_EQUAL = 5
    BETWEEN = 6


@dataclass(frozen=True)
class Comparison:
    """A comparison with a value; `upper` is the upper bound of BETWEEN and otherwise ignored."""

    type: CompareType
    value: int
    upper: int = 0

    def holds(self, number: int) -> bool:
        """Whether the comparison is true for the number; BETWEEN includes both bounds."""
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
