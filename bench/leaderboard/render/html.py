"""A board as one HTML page that needs nothing else: the words and tables of the Markdown, sortable, with pictures.

No network, no fonts or scripts from elsewhere, readable without JavaScript, in its reader's light or dark theme.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape

from bench.leaderboard.board import Board
from bench.leaderboard.render.figures import figures
from bench.leaderboard.render.markdown import blocks
from bench.text.clean import html

STYLE = """\
:root { color-scheme: light dark; --ink: #1b1b1f; --page: #fff; --soft: #f3f3f6; --rule: #d8d8df; --link: #0b57a4;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b87900; --c5: #2d9bd8; --c6: #7a5c00; --c7: #5e5e5e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6ea; --page: #17171b; --soft: #222228; --rule: #3c3c45;
  --link: #8ec5ff; --c0: #4fa8e0; --c1: #ff8a3d; --c2: #2fc79a; --c3: #e39bc4; --c4: #f0b429; --c5: #7cc9f5; --c6: #c9a227;
  --c7: #a9a9b2; } }
body { margin: 0 auto; max-width: 90rem; padding: 1rem 1.5rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--rule); }
p, li { max-width: 62rem; } a { color: var(--link); } nav ul { columns: 20rem; padding-left: 1.2rem; }
.wide { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: 13px; white-space: nowrap; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); text-align: left; font-variant-numeric: tabular-nums; }
thead th { background: var(--soft); vertical-align: bottom; } tbody tr:hover { background: var(--soft); }
th button { all: unset; cursor: pointer; font-weight: 600; } th button:focus-visible { outline: 2px solid var(--link); }
th[aria-sort=ascending] button::after { content: " \\25B2"; } th[aria-sort=descending] button::after { content: " \\25BC"; }
pre { background: var(--soft); padding: .6rem .9rem; overflow-x: auto; } td:last-child { white-space: normal; min-width: 6rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; max-width: 100%; }
figcaption { font-size: 13px; max-width: 28rem; } svg { max-width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } .label { paint-order: stroke; stroke: var(--page); stroke-width: 3; }
.grid { stroke: var(--rule); stroke-width: .7; } .axis { stroke: var(--ink); }
.joined { fill: none; stroke: var(--c); stroke-width: 1.6; } .fill, .dot { fill: var(--c); }
.dot.faint { fill: var(--page); stroke: var(--c); stroke-width: 1.5; } .key { display: inline-block; margin-right: 1em; }
.key i { display: inline-block; width: .7em; height: .7em; border-radius: 50%; background: var(--c); margin-right: .3em; }
""" + "\n".join(f".c{k} {{ --c: var(--c{k}); }}" for k in range(8))

SCRIPT = """\
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const number = /^[^\\p{L}\\d]*?(-?[\\d,]*\\.?\\d+(?:e[-+]?\\d+)?)/iu;
  const value = (row, k) => {
    const said = row.cells[k].textContent.trim().replace("\\u2212", "-"), found = said.match(number);
    return found ? [0, parseFloat(found[1].replaceAll(",", "")), said] : [said && said !== "\\u2013" ? 1 : 2, 0, said];
  };
  heads.forEach((head, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [value(row, k), row]);
      rows.sort(([a], [b]) => a[0] - b[0] || (up ? 1 : -1) * (a[1] - b[1] || a[2].localeCompare(b[2])));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
document.documentElement.dataset.sortable = document.querySelectorAll("th button").length;
"""


def to_html(board: Board) -> str:
    """The whole page; the same bytes for the same board."""
    drawn = figures(board)
    body: list[str] = []
    named: list[tuple[str, str]] = []
    waiting = ""
    for block in _blocks(board):
        level = len(block) - len(block.lstrip("#"))
        if not level:
            body.append(_block(block))
            continue
        body.append(waiting)
        waiting = drawn.get(block, "")
        title = inline(block[level:].strip())
        if level == 2:
            named.append((f"s{len(named) + 1}", title))
            body.append(f'<h2 id="{named[-1][0]}">{title}</h2>')
        else:
            body.append(f"<h{level}>{title}</h{level}>")
        if level == 1:
            body.append("NAV")
    body.append(waiting)
    links = "".join(f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in named)
    nav = f'<nav aria-label="Contents"><ul>{links}</ul></nav>'
    page = "\n".join(nav if part == "NAV" else part for part in body if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html(board.title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<main>\n{page}\n</main>\n"
        f"<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _blocks(board: Board) -> Iterator[str]:
    for part in blocks(board):
        yield from (block for block in part.split("\n\n") if block.strip())


def _block(block: str) -> str:
    """A paragraph, table, list or line of code of the Markdown that the leaderboard writes; of no other."""
    if block.startswith("|"):
        return _table(block.splitlines())
    if block.startswith("- "):
        return "<ul>" + "".join(f"<li>{inline(line[2:])}</li>" for line in block.splitlines()) + "</ul>"
    if block.startswith("    "):
        return f"<pre><code>{escape(block.strip())}</code></pre>"
    return f"<p>{inline(' '.join(block.splitlines()))}</p>"


def _table(lines: list[str]) -> str:
    """A pipe table; its second line is the rule."""
    header, body = _cells(lines[0]), [_cells(line) for line in lines[2:]]
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in body)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>'


_BAR = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"(?<!\\)`([^`]+)`")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])|&(?:lt|gt|amp);")
_MARKS = ((re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
          (re.compile(r"(?<![*\w])\*([^*\s](?:[^*]*[^*\s])?)\*(?![*\w])"), r"<em>\1</em>"))  # fmt: skip
_ASIDE = 0xE000
"""Where characters that are no markup stand while marks are looked for: private use, `bench.text.clean` leaves none."""


def _cells(line: str) -> list[str]:
    return [inline(cell.strip()) for cell in _BAR.split(line.strip())[1:-1]]


def inline(said: str) -> str:
    """One line of Markdown as HTML. All is escaped; `bench.text.clean` wrote `<` as `&lt;`, so a `<u>` is the table's own."""
    parts = _CODE.split(said)
    return "".join(f"<code>{html(part)}</code>" if place % 2 else _marked(part) for place, part in enumerate(parts))


def _marked(said: str) -> str:
    aside = _ESCAPE.sub(lambda found: chr(_ASIDE + ord(found[1] or unescape(found[0]))), said)
    marked = escape(aside).replace("&lt;u&gt;", "<u>").replace("&lt;/u&gt;", "</u>")
    for pattern, replaced in _MARKS:
        marked = pattern.sub(replaced, marked)
    return re.sub("[\ue000-\ue0ff]", lambda found: escape(chr(ord(found[0]) - _ASIDE)), marked)
