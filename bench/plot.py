"""Raw lines in, a drawing out: every round a dot, quartiles a box, the median a stroke.

SVG written by hand, so that a picture needs nothing but a browser.

Source: https://www.w3.org/TR/SVG2/
"""

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from bench.lines import Line, figures, method_of, names
from bench.statistic import spread
from bench.table import number

_TITLES = {
    "events_per_second": "events per second (more is better)",
    "server_cpu_us": "CPU of the server per event, µs (less is better)",
    "redis_cpu_us": "CPU of Redis per event, µs (less is better)",
    "p50_ms": "p50, ms (less is better)",
    "p99_ms": "p99, ms (less is better)",
    "p999_ms": "p99.9, ms (less is better)",
}
_WIDTH, _LEFT, _RIGHT = 840, 230, 70
_ROW, _GAP, _TOP = 24, 44, 58


def draw(
    title: str, header: Line, lines: Sequence[Line], keys: Sequence[str], by: str = "contender"
) -> str:
    """Draw one panel for each figure, one row in it for each contender or load.

    Args:
        title: Of the whole drawing.
        header: What it was measured on.
        lines: Of rounds.
        keys: Figures, in order.
        by: Key whose values are the rows.
    """
    parts: list[str] = []
    y = _TOP
    for key in keys:
        found = {name: figures(lines, key, **{by: name}) for name in names(lines, by)}
        shown = {name: row for name, row in found.items() if row}
        if shown:
            parts += _panel(key, shown, y)
            y += _GAP + _ROW * len(shown)
    under = f"{header['cpu']}, {header['cores']} cores; {method_of(header)}; {header['at'][:10]}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" '
        'font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>'
    heading = _text(16, 24, title, 'font-size="16" font-weight="bold"')
    below = _text(16, 40, under, 'fill="#555555"')
    return "\n".join([head, background, heading, below, *parts, "</svg>\n"])


def _panel(key: str, shown: Mapping[str, Sequence[float]], top: int) -> Iterator[str]:
    most = max(max(row) for row in shown.values())
    scale = (_WIDTH - _LEFT - _RIGHT) / most if most else 0.0
    yield _text(16, top + 14, _TITLES[key], 'font-weight="bold"')
    for place, (name, row) in enumerate(shown.items()):
        yield from _row(name, row, scale, top + 24 + _ROW * place)


def _row(name: str, found: Sequence[float], scale: float, top: int) -> Iterator[str]:
    middle, seen = top + _ROW // 2, spread(found)
    yield _text(_LEFT - 10, middle + 4, name, 'text-anchor="end"')
    yield (
        f'<line x1="{_LEFT}" y1="{middle}" x2="{_WIDTH - _RIGHT}" y2="{middle}" stroke="#e5e5e5"/>'
    )
    left, right = (_LEFT + scale * edge for edge in (seen.first_quartile, seen.third_quartile))
    yield (
        f'<rect x="{left:.1f}" y="{top + 5}" width="{max(1.0, right - left):.1f}" '
        f'height="{_ROW - 10}" fill="#9ecae1"/>'
    )
    for figure in found:
        x = _LEFT + scale * figure
        yield f'<circle cx="{x:.1f}" cy="{middle}" r="2.5" fill="#08519c" fill-opacity="0.6"/>'
    x = _LEFT + scale * seen.median
    yield (
        f'<line x1="{x:.1f}" y1="{top + 3}" x2="{x:.1f}" y2="{top + _ROW - 3}" '
        'stroke="#000000" stroke-width="2"/>'
    )
    yield _text(_WIDTH - _RIGHT + 8, middle + 4, number(seen.median), "")


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'
