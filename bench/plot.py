"""A bar chart as SVG, without a library for it."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

_ROW, _LEFT, _WIDTH, _RIGHT = 28, 190, 420, 60


def bars(figures: Mapping[str, float], title: str) -> str:
    """One bar for each figure, in their order; readable on white and on black."""
    height = _ROW * (len(figures) + 1) + 10
    total = _LEFT + _WIDTH + _RIGHT
    most = max(figures.values())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}"'
        ' font-family="sans-serif" font-size="13" fill="#777">',
        f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    for row, (name, figure) in enumerate(figures.items(), start=1):
        top = _ROW * row
        width = _WIDTH * figure / most
        lines += [
            f'<text x="{_LEFT - 8}" y="{top + 18}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top + 5}" width="{width:.1f}" height="18" fill="#4a7dbd"/>',
            f'<text x="{_LEFT + width + 6:.1f}" y="{top + 18}">{figure:.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
