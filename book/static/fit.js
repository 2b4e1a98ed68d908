// What is wider than its place gets smaller letters, down to LEAST of their size. A table that still
// is too wide folds, a row to a block, each value under the head of its column; a printed table
// wraps; a formula gives its number a line of its own. Without scripts they wrap or scroll.
const LEAST = 0.55;
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };
const name = (table) => {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  for (const row of table.querySelectorAll("tbody tr"))
    [...row.cells].forEach((cell, i) => (cell.dataset.head = heads[i] ?? ""));
};
const fitTable = (table) => {
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
// Smaller letters, step by step, until all fits; false if at the smallest it does not.
const shrink = (box, size, unit) => {
  for (let part = 1; part > LEAST; part -= 0.02) {
    box.style.fontSize = `${size * part}${unit}`;
    if (box.scrollWidth <= box.clientWidth) return true;
  }
  return false;
};
const COLUMNS = /^.*\S {2,}\S/gm; // printed lines that stand in columns: wrapped, none can be read
const fitPrinted = (box) => {
  if ((box.textContent.match(COLUMNS) ?? []).length < 2) return;
  box.style.fontSize = "";
  const size = parseFloat(getComputedStyle(box).fontSize);
  box.classList.add("columns");
  if (shrink(box, size, "px")) return;
  box.classList.remove("columns");
  box.style.fontSize = "";
};
const fitFormula = (formula) => {
  const size = parseFloat((formula.dataset.size ??= formula.style.fontSize));
  formula.parentElement.classList.remove("wide");
  formula.style.fontSize = `${size}%`;
  if (formula.scrollWidth <= formula.clientWidth) return;
  formula.parentElement.classList.add("wide");
  shrink(formula, size, "%");
};
const FITS = { "article table": fitTable, "article .cell_output pre": fitPrinted,
  "article div.math > mjx-container": fitFormula };
const fitAll = () => {
  for (const [kind, fit] of Object.entries(FITS)) document.querySelectorAll(kind).forEach(fit);
  for (const formula of document.querySelectorAll("mjx-container[display]"))
    if (formula.scrollWidth > formula.clientWidth) formula.setAttribute("tabindex", "0"); // to scroll it
    else formula.removeAttribute("tabindex");
};
addEventListener("load", () => {
  fitAll();
  window.MathJax?.startup?.promise?.then(fitAll);
});
let width = innerWidth; // a phone's address bar that comes and goes changes the height alone
addEventListener("resize", () => {
  if (innerWidth !== width) fitAll();
  width = innerWidth;
});
document.addEventListener("toggle", fitAll, true); // what stood in a closed box had no width
