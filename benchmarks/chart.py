"""Draw medians as a chart: a group of horizontal bars for each task."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

_TITLES = {
    "cold": "From packages (the peers: a tree or a bare file system; Ingot: a bootable qcow2)",
    "more": "One package more on the cached tree",
    "format": "A cached disk as a compressed qcow2",
    "again": "The same image asked for again, at the server",
    "pair": "Two builds at once",
}
_WIDTH, _LABELS, _VALUES, _BAR, _GAP = 760, 130, 70, 16, 6
_OURS, _THEIRS = "#0b6e4f", "#9aa5b1"


def bars(medians: Mapping[str, Mapping[str, float]]) -> str:
    """An SVG document of {task: {who: seconds}}; each task has a scale of its own."""
    parts: list[str] = []
    y = 10
    for task, of in medians.items():
        most = max(of.values())
        y += 18
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{escape(_TITLES.get(task, task))}</text>')
        y += 8
        for who, seconds in of.items():
            length = max(1.0, (_WIDTH - _LABELS - _VALUES) * seconds / most)
            colour = _THEIRS if who in ("one build",) or not who.startswith(("ingot", "two")) else _OURS
            middle = y + _BAR - 4
            parts.append(f'<text x="{_LABELS - 8}" y="{middle}" text-anchor="end">{escape(who)}</text>')
            parts.append(f'<rect x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>')
            text = f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
            parts.append(f'<text x="{_LABELS + length + 6:.1f}" y="{middle}">{text}</text>')
            y += _BAR + _GAP
        y += 8
    content = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}" '
        'font-family="sans-serif" font-size="12" fill="#1f2933">\n'
        "<title>Median seconds of builds</title>\n"
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{content}\n</svg>\n'
    )
