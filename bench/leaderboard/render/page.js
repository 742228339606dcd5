for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const value = (row, k) => {
    const cell = row.cells[k], text = cell.textContent.trim();
    if ("value" in cell.dataset) return [0, parseFloat(cell.dataset.value), ""];
    return [text && text !== "\u2013" ? 1 : 2, 0, text];
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
