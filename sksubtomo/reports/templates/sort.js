"use strict";
// Tables are sorted by the buttons in their heads, which work by keyboard as any button does.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = table.tHead.rows[0].cells;
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim();
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  };
  const compare = (one, other) => {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), undefined, { numeric: true });
  };
  for (let column = 0; column < heads.length; column++) {
    heads[column].querySelector("button").addEventListener("click", () => {
      const rising = heads[column].getAttribute("aria-sort") !== "ascending";
      for (const head of heads) head.setAttribute("aria-sort", "none");
      heads[column].setAttribute("aria-sort", rising ? "ascending" : "descending");
      const rows = Array.from(body.rows);
      rows.sort((a, b) => (rising ? 1 : -1) * compare(value(a, column), value(b, column)));
      body.append(...rows);
    });
  }
}
