"""Draws the figures as SVG, without any library: grouped bars on a logarithmic scale, a group for each pair and a bar for each tool."""
import html
import math
import os

# file, title, unit of the axis, what of a row, the least that is told apart
PLOTS = [
    ("size", "Size of the delta", "bytes", lambda row: row["bytes"], 100),
    ("create-time", "Creating: time", "CPU seconds", lambda row: row["create"]["cpu"], 0.01),
    ("create-memory", "Creating: memory", "MiB at the peak", lambda row: row["create"]["mib"], 1),
    ("apply-time", "Applying: time", "CPU seconds", lambda row: row["apply"]["cpu"], 0.01),
    ("apply-memory", "Applying: memory", "MiB at the peak", lambda row: row["apply"]["mib"], 1),
]
# Told apart also by who sees red and green alike; ours is the dark one.
COLOURS = ["#1b2a41", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#8c8c8c", "#f0e442", "#0072b2", "#7f3c8d",
           "#a5673f"]
LEFT, WIDTH, RIGHT, TOP, BAR, GAP, LINE = 310, 640, 110, 86, 12, 14, 14


def short(value):
    """A figure as one reads it at the end of a bar."""
    if value <= 0:
        return "about 0"
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= bound:
            return f"{value / (bound if unit != 'k' else 1e3):.3g} {unit}"
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


class Scale:
    """Figures to lengths, by whole decades. The least figure has a bar as well."""

    def __init__(self, values, least):
        self.low = math.floor(math.log10(max(least, min(values, default=least))) - 0.01)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values, default=least) or least)))

    def length(self, value):
        return max(1.0, (math.log10(max(value, 10.0 ** self.low)) - self.low) / (self.high - self.low) * WIDTH)

    def decades(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def text(x, y, said, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{html.escape(str(said))}</text>'


def heading(pair, size, y):
    """What is compared, beside its bars: name, versions, size."""
    name, _, versions = pair.partition(" ") if " to " in pair else (pair, "", "")
    small = 'font-size="10" fill="#555"'
    lines = [(name, 'font-weight="bold"'), (versions, small), (f"{size:,} bytes", small)]
    return [text(LEFT - 8, y + 10 + LINE * i, said, "end", more) for i, (said, more) in enumerate(line for line in lines if line[0])]


def legend(tools, colours):
    """One line; its parts follow each other by their length."""
    parts, x = [], LEFT
    for tool in tools:
        parts += [f'<rect x="{x:.0f}" y="38" width="12" height="12" fill="{colours[tool]}"/>', text(x + 17, 48, tool)]
        x += 34 + 7 * len(tool)
    return parts


def grid(scale, bottom, unit):
    parts = []
    for value in scale.decades():
        x = LEFT + (scale.length(value) if value > 10.0 ** scale.low else 0)
        parts += [f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>',
                  text(x, TOP - 12, short(value), "middle", 'fill="#555"')]
    return parts + [text(LEFT + WIDTH, bottom + 16, f"{unit}, logarithmic", "end", 'fill="#555"')]


def bars(rows, tools, colours, scale, figure, y):
    """Those of one pair. What failed or gave up says so in its place."""
    parts = []
    for tool in tools:
        row = next((row for row in rows if row["tool"] == tool), None)
        if row is None:
            continue
        if row["right"]:
            length = scale.length(figure(row))
            parts += [f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 1}" fill="{colours[tool]}"/>',
                      text(LEFT + length + 4, y + BAR - 2, short(figure(row)), more='font-size="10"')]
        else:
            parts.append(text(LEFT + 4, y + BAR - 2, f"{tool} {row['outcome']}", more='font-size="10" fill="#a00"'))
        y += BAR
    return parts, y


def draw(rows, title, unit, figure, least):
    """The text of one SVG file."""
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    colours = {tool: COLOURS[i % len(COLOURS)] for i, tool in enumerate(tools)}
    scale = Scale([figure(row) for row in rows if row["right"]], least)
    parts, y = [], TOP
    for pair in dict.fromkeys(row["pair"] for row in rows):
        own = [row for row in rows if row["pair"] == pair]
        more, end = bars(own, tools, colours, scale, figure, y)
        parts += more + heading(pair, own[0]["size"], y)
        y = max(end, y + 3 * LINE) + GAP
    width, height = LEFT + WIDTH + RIGHT, y + 24
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            'font-size="12">', f"<title>{html.escape(title)}</title>", f'<rect width="{width}" height="{height}" fill="#fff"/>',
            text(LEFT, 24, title, more='font-size="18"')]
    return "\n".join([*head, *legend(tools, colours), *grid(scale, y, unit), *parts, "</svg>\n"])


def draw_all(rows, folder):
    """One file for each kind of figure; their paths."""
    os.makedirs(folder, exist_ok=True)
    paths = []
    for name, title, unit, figure, least in PLOTS:
        paths.append(os.path.join(folder, name + ".svg"))
        with open(paths[-1], "w", encoding="utf-8") as file:
            file.write(draw(rows, title, unit, figure, least))
    return paths
