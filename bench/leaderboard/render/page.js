"use strict";
const FIRST = 25, SEARCHED = 10, NOTHING = "\u2013";
const number = (cell) => ("value" in cell.dataset ? parseFloat(cell.dataset.value) : null);
const text = (cell) => cell.textContent.trim();

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, k) => {
    const cell = row.cells[k], value = number(cell);
    return value !== null ? [0, value, ""] : [text(cell) && text(cell) !== NOTHING ? 1 : 2, 0, text(cell)];
  };
  heads.forEach((head, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const up = now ? now === "descending" : head.dataset.best !== "high";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, k), row]);
      rows.sort(([a], [b]) => a[0] - b[0] || (up ? 1 : -1) * (a[1] - b[1] || a[2].localeCompare(b[2])));
      body.append(...rows.map(([, row]) => row));
      table.dispatchEvent(new Event("changed"));
    });
  });
  if (heads.length && text(heads[0]) === "rank") heads[0].setAttribute("aria-sort", "ascending");
}

function searchable(table) {
  const heads = [...table.tHead.rows[0].cells], rows = [...table.tBodies[0].rows];
  if (rows.length < SEARCHED) return;
  const tools = document.createElement("div");
  tools.className = "tools";
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Search these rows";
  search.setAttribute("aria-label", "Search these rows");
  tools.append(search);
  const chosen = [];
  heads.forEach((head, k) => {
    if (!head.classList.contains("name")) return;
    const names = [...new Set(rows.map((row) => text(row.cells[k])))].filter(Boolean);
    if (names.length < 2 || names.length > 60) return;
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Show one " + text(head));
    select.append(new Option("every " + text(head), ""), ...names.sort().map((name) => new Option(name, name)));
    chosen.push([k, select]);
    tools.append(select);
  });
  const more = document.createElement("button");
  more.type = "button";
  const shown = document.createElement("output");
  tools.append(more, shown);
  let folded = rows.length > FIRST + 5;
  const update = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let place = 0;
    const now = [...table.tBodies[0].rows];
    for (const row of now) {
      const found = row.textContent.toLowerCase();
      const fits = words.every((word) => found.includes(word)) && chosen.every(([k, select]) => !select.value || text(row.cells[k]) === select.value);
      row.classList.toggle("hidden", !fits);
      place += fits;
      row.classList.toggle("folded", fits && folded && place > FIRST);
    }
    const visible = folded ? Math.min(place, FIRST) : place;
    shown.textContent = visible + " of " + rows.length + " rows";
    more.hidden = place <= FIRST || rows.length <= FIRST + 5;
    more.textContent = folded ? "Show all " + place : "Show the first " + FIRST;
  };
  more.addEventListener("click", () => { folded = !folded; update(); });
  for (const each of [search, ...chosen.map(([, select]) => select)]) each.addEventListener("input", update);
  table.addEventListener("changed", update);
  table.closest(".wide").before(tools);
  update();
}

function pin(table) {
  const heads = [...table.tHead.rows[0].cells], room = table.closest(".wide").clientWidth;
  if (!room) return;
  const all = heads.map((head, k) => k).filter((k) => heads[k].classList.contains("pin"));
  const names = all.filter((k) => heads[k].classList.contains("name"));
  const fits = (places) => places.reduce((sum, k) => sum + heads[k].offsetWidth, 0) < 0.6 * room;
  const pinned = [all, names, names.slice(-1)].find(fits) || [];
  const widths = heads.map((head) => head.offsetWidth);
  table.classList.add("pinned");
  for (const row of table.rows) {
    let left = 0;
    for (const k of all) {
      const cell = row.cells[k], stays = pinned.includes(k);
      cell.style.position = stays || row.parentNode === table.tHead ? "sticky" : "static";
      cell.style.left = stays ? left + "px" : "";
      cell.style.zIndex = stays ? "" : row.parentNode === table.tHead ? 2 : 0;
      cell.classList.toggle("edge", k === pinned[pinned.length - 1]);
      if (stays) left += widths[k];
    }
  }
}

const tables = [...document.querySelectorAll("table")];
for (const table of tables) { sortable(table); searchable(table); }
const pinAll = () => tables.forEach(pin);
pinAll();
addEventListener("resize", pinAll);
for (const part of document.querySelectorAll("details")) part.addEventListener("toggle", pinAll);
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });
for (const link of document.querySelectorAll('nav a[href^="#"]')) {
  link.addEventListener("click", () => { document.querySelector(link.hash).closest("details").open = true; });
}
document.documentElement.dataset.sortable = document.querySelectorAll("th button").length;
