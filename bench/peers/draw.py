"""Draws bench/NAME.svg from bench/results.json: `draw.py versus|scale results.json`.

Runs in the virtual environment of bench/peers/requirements.txt, for matplotlib.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text: a tenth of the bytes, and to be searched
        "svg.hashsalt": "lithair",  # the same figures give the same file
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

from matplotlib import pyplot as plt  # noqa: E402 - after the choice of what it draws with

COLOURS = ("#2a6f97", "#e07a5f", "#81b29a", "#8d6a9f")


def versus(found: dict) -> plt.Figure:
    """Draw how many times what others do Lithair does, with the spread."""
    works = list(found["works"].values())
    sides = list(works[0]["ratios"])
    figure, axes = plt.subplots(figsize=(9, 1 + 0.75 * len(works)))
    height = 0.8 / len(sides)
    for place, side in enumerate(sides):
        ratios = [work["ratios"][side] for work in works]
        middle = [ratio[0] for ratio in ratios]
        spread = [[r[0] - r[1] for r in ratios], [r[2] - r[0] for r in ratios]]
        rows = [number + (place - (len(sides) - 1) / 2) * height for number in range(len(works))]
        colour = COLOURS[(place + 1) % len(COLOURS)]
        widths = [value - 1 for value in middle]  # bars start where both are as fast
        axes.barh(rows, widths, height * 0.9, left=1, xerr=spread, label=side, color=colour)
        for row, value, most in zip(rows, middle, (ratio[2] for ratio in ratios), strict=True):
            axes.annotate(
                f"{value:.2g}" if value < 10 else f"{value:.0f}",
                (max(most, 1), row), (4, 0), textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(works)), [work["title"] for work in works])
    axes.invert_yaxis()
    axes.set_xlabel("Lithair does so many times what the other does; 1 is as much")
    axes.legend(loc="lower right", frameon=False)
    return figure


def scale(found: dict) -> plt.Figure:
    """Draw what gateways, models and items do to rates, memory and opening."""
    figure, grid = plt.subplots(2, 2, figsize=(10, 7))
    for axes, name in zip(grid[0], ("gateways", "models"), strict=True):
        points = found[name]
        counts = [point["counted"] for point in points]
        for key, label, colour in (("get", "GET", COLOURS[0]), ("post", "POST", COLOURS[1])):
            rates = [[rate / 1000 for rate in point[f"{key}_per_s"]] for point in points]
            middle = [sorted(one)[len(one) // 2] for one in rates]
            axes.plot(range(len(counts)), middle, "o-", label=label, color=colour)
            low, high = [min(one) for one in rates], [max(one) for one in rates]
            axes.fill_between(range(len(counts)), low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set_xticks(range(len(counts)), [str(count) for count in counts])
        axes.set_xlabel(name)
        axes.set_ylabel("thousand/s")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    points = found["items"]
    counts = [point["counted"] for point in points]
    axes = grid[1][0]
    axes.loglog(
        counts, [one["log_s"] for one in points], "o-", label="from the log", color=COLOURS[1]
    )
    loaded = {one["counted"]: one["snapshot_s"] for one in points if one["snapshot_s"]}
    axes.loglog(
        list(loaded), list(loaded.values()), "o-", label="from a snapshot", color=COLOURS[0]
    )
    axes.set_xlabel("items")
    axes.set_ylabel("start of the server to ready, s")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.legend(frameon=False)
    axes = grid[1][1]
    middle = [sorted(one["get_per_s"])[len(one["get_per_s"]) // 2] / 1000 for one in points]
    axes.semilogx(counts, middle, "o-", color=COLOURS[0], label="GET by id")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("items")
    axes.set_ylabel("thousand/s")
    axes.legend(frameon=False)
    return figure


def main() -> None:
    name, results = sys.argv[1], Path(sys.argv[2])
    found = json.loads(results.read_text(encoding="utf-8"))[name]
    figure = {"versus": versus, "scale": scale}[name](found)
    figure.tight_layout()
    drawn = results.parent / f"{name}.svg"
    figure.savefig(drawn, metadata={"Date": None})


if __name__ == "__main__":
    main()
