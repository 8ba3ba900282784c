"""Pictures for the page, as SVG text that needs no script and follows the page's colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT, BOTTOM, LEFT = 640, 220, 40, 40
BARS = 20


def histogram(totals: Sequence[float], most: float) -> Markup:
    """How many students reached how many points, in at most twenty bars."""
    step = max(1, math.ceil(most / BARS))
    count = max(1, math.ceil((most + 1e-9) / step))
    counts = [0] * count
    for total in totals:
        counts[min(count - 1, int(total / step))] += 1
    tallest = max(counts)
    room, height = WIDTH - LEFT - 10, HEIGHT - BOTTOM - 20
    wide = room / count
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Histogram of points of {len(totals)} students">'
    ]
    for place, number in enumerate(counts):
        tall = height * number / tallest
        x, y = LEFT + place * wide, HEIGHT - BOTTOM - tall
        low, high = place * step, min((place + 1) * step, math.ceil(most))
        parts.append(
            f'<rect class="bar" x="{x + 1:.1f}" y="{y:.1f}" width="{wide - 2:.1f}" '
            f'height="{tall:.1f}"><title>{number} students, {low} to {high} points</title></rect>'
        )
        if number:
            parts.append(
                f'<text class="tick" x="{x + wide / 2:.1f}" y="{y - 4:.1f}" '
                f'text-anchor="middle">{number}</text>'
            )
    every = max(1, math.ceil(count / 10))
    for place in range(0, count + 1, every):
        parts.append(
            f'<text class="tick" x="{LEFT + place * wide:.1f}" y="{HEIGHT - BOTTOM + 16}" '
            f'text-anchor="middle">{place * step}</text>'
        )
    base = HEIGHT - BOTTOM
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH - 10}" y2="{base}"/>')
    parts.append(
        f'<text class="tick" x="{LEFT + room / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        "points</text></svg>"
    )
    return Markup("".join(parts))
