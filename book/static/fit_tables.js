// A table that is wider than its place gets smaller letters; one that still is folds, a row to a
// block, each value under the head of its column. Without scripts it scrolls in its box.
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };
const name = (table) => {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  for (const row of table.querySelectorAll("tbody tr"))
    [...row.cells].forEach((cell, i) => (cell.dataset.head = heads[i] ?? ""));
};
const fit = (table) => {
  const box = table.parentElement;
  const wide = () => table.getBoundingClientRect().width > box.clientWidth + 0.5;
  table.classList.remove("dense", "folded");
  if (!box.clientWidth || !wide()) return;
  table.classList.add("dense");
  if (!wide()) return;
  name(table);
  table.classList.add("folded");
  for (const [tag, role] of Object.entries(ROLES)) // blocks are no table to who hears it read
    for (const part of [table, ...table.querySelectorAll(tag)])
      if (part.matches(tag) && !part.hasAttribute("role")) part.setAttribute("role", role);
};
const fitAll = () => document.querySelectorAll("article table").forEach(fit);
addEventListener("load", () => {
  fitAll();
  window.MathJax?.startup?.promise?.then(fitAll);
});
addEventListener("resize", fitAll);
document.addEventListener("toggle", fitAll, true); // what stood in a closed box had no width
