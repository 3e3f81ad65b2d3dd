/* The table of molecules: columns to choose, sorting, filters, pages. Only the rows of one page are in the document. */
// Table of molecules --------------------------------------------------------------------------------------------------
const MEASURES = [
  { label: "Recall AMR, Å", at: (s) => s[0], text: angstrom, bar: true },
  { label: "Precision AMR, Å", at: (s) => s[1], text: angstrom, bar: true },
  { label: "Recall coverage", at: (s) => s[2], text: percent, bar: true, top: 1 },
  { label: "Precision coverage", at: (s) => s[3], text: percent, bar: true, top: 1 },
  { label: "Generated", at: (s) => s[4], text: count },
  { label: "Right stereo", at: (s) => s[5], text: percent },
  { label: "Valid", at: (s) => s[6], text: percent },
];
const NAME = { label: "Molecule", at: (i) => data.molecules[i][0].toLowerCase() };
const ABOUT = [
  { label: "Rotatable bonds", at: (i) => data.molecules[i][3], text: count },
  { label: "References", at: (i) => data.molecules[i][5], text: count },
];
const scoresOf = (method, i) => data.scores[method][i];
const scored = (method, i) => Array.isArray(scoresOf(method, i));
const column = (method, measure, label) => ({
  ...measure, label, method, at: (i) => scored(method, i) ? measure.at(scoresOf(method, i)) : null,
});
const bothMethods = data.methods.map((_, method) => method);
const views = [
  ...(data.methods.length > 1 ? MEASURES.filter((m) => m.bar).map((measure) => ({
    name: `${measure.label}, all methods`, methods: bothMethods,
    columns: bothMethods.map((method) => column(method, measure, data.methods[method])),
  })) : []),
  ...bothMethods.map((method) => ({
    name: `${data.methods[method]}, all measures`, methods: [method],
    columns: MEASURES.map((measure) => column(method, measure, measure.label)),
  })),
];
const FILTERS = {
  "": () => true,
  failed: (method, i) => typeof scoresOf(method, i) === "string",
  stereo: (method, i) => scored(method, i) && scoresOf(method, i)[5] < 1,
  invalid: (method, i) => scored(method, i) && scoresOf(method, i)[6] < 1,
  uncovered: (method, i) => scored(method, i) && scoresOf(method, i)[2] < 0.5,
};
const searched = data.molecules.map((m) => (m[0] + "\n" + m[1]).toLowerCase());
// Where each molecule that has structures stands among a method's worst.
const inWorst = data.worst.map((list) => new Map(list.map((entry, rank) => [entry[0], rank]).filter((_, k) => list[k][2])));
const table = { view: views[0], sort: 3, down: true, page: 0, rows: [] };

const columnsOf = (view) => [NAME, ...ABOUT, ...view.columns];

function sortRows() {
  const { at } = columnsOf(table.view)[table.sort];
  const sign = table.down ? -1 : 1;
  const keyed = table.rows.map((i) => [at(i), i]);
  keyed.sort(([a, i], [b, j]) => {
    if (a === null || b === null) return (a === null) - (b === null) || i - j; // what has no value stays below
    return (a < b ? -sign : a > b ? sign : 0) || i - j;
  });
  table.rows = keyed.map(([, i]) => i);
}

function filterRows() {
  const words = byId("find").value.toLowerCase().trim(), wanted = FILTERS[byId("only").value];
  table.rows = data.molecules.map((_, i) => i).filter(
    (i) => searched[i].includes(words) && table.view.methods.some((method) => wanted(method, i)));
  table.page = 0;
  sortRows();
  drawTable();
}

function drawHead() {
  const row = make("tr");
  columnsOf(table.view).forEach((col, k) => {
    const cell = make("th"), button = make("button", col.label);
    cell.scope = "col";
    button.type = "button";
    if (k === table.sort) cell.setAttribute("aria-sort", table.down ? "descending" : "ascending");
    button.addEventListener("click", () => {
      table.down = k === table.sort ? !table.down : k > 0;
      table.sort = k;
      sortRows();
      drawHead();
      drawTable();
      byId("molecule-table").tHead.rows[0].cells[k].firstChild.focus();
    });
    cell.append(button);
    row.append(cell);
  });
  byId("molecule-table").tHead.replaceChildren(row);
}

function nameCell(i) {
  const [name, smiles] = data.molecules[i], cell = make("th");
  cell.scope = "row";
  const method = table.view.methods.find((m) => inWorst[m].has(i));
  if (method === undefined) cell.append(make("span", name));
  else {
    const button = make("button", name, "show");
    button.type = "button";
    button.title = "Show in 3D";
    button.addEventListener("click", () => viewer.open(method, inWorst[method].get(i)));
    cell.append(button);
  }
  if (smiles && smiles !== name) {
    const line = make("span", smiles, "smiles");
    line.title = smiles;
    cell.append(line);
  }
  return cell;
}

function moleculeRow(i, tops) {
  const row = make("tr");
  row.append(nameCell(i), ...ABOUT.map((col) => make("td", col.text(col.at(i)))));
  const [only] = table.view.methods;
  if (table.view.methods.length === 1 && !scored(only, i)) {
    const cell = make("td", scoresOf(only, i) ?? "not among this method's references", "reason");
    cell.colSpan = table.view.columns.length;
    row.append(cell);
    return row;
  }
  table.view.columns.forEach((col, k) => {
    const value = col.at(i), missing = !scored(col.method, i), cell = make("td", missing ? "failed" : col.text(value));
    if (missing) {
      cell.className = "bad";
      cell.title = scoresOf(col.method, i) ?? "not among this method's references";
    } else if (col.bar && value !== null) {
      cell.className = "amount";
      cell.style.setProperty("--share", Math.min(100, 100 * value / tops[k]).toFixed(1) + "%");
    }
    row.append(cell);
  });
  return row;
}

function drawTable() {
  const size = Number(byId("page-size").value), total = table.rows.length;
  const pages = Math.max(1, Math.ceil(total / size));
  table.page = Math.min(table.page, pages - 1);
  const start = table.page * size, shown = table.rows.slice(start, start + size);
  const most = (col) => col.top ?? data.molecules.reduce((top, _, i) => Math.max(top, col.at(i) ?? 0), 1e-9);
  let tops = table.view.columns.map(most);
  if (table.view.methods.length > 1) tops = tops.map(() => Math.max(...tops)); // one measure: bars of one scale
  byId("molecule-table").tBodies[0].replaceChildren(...shown.map((i) => moleculeRow(i, tops)));
  const all = data.molecules.length, range = total ? `${count(start + 1)} to ${count(start + shown.length)}` : "none";
  byId("molecule-status").textContent =
    `${count(total)} of ${count(all)} molecules${total ? `, rows ${range}` : ""}. Names in colour open the 3D view.`;
  byId("page-place").textContent = `Page ${table.page + 1} of ${pages}`;
  byId("page-previous").disabled = table.page === 0;
  byId("page-next").disabled = table.page >= pages - 1;
}

views.forEach((view, k) => byId("view").append(new Option(view.name, k)));
byId("view").addEventListener("change", () => {
  Object.assign(table, { view: views[byId("view").value], sort: 3, down: true });
  drawHead();
  filterRows();
});
byId("find").addEventListener("input", filterRows);
byId("only").addEventListener("change", filterRows);
byId("page-size").addEventListener("change", () => { table.page = 0; drawTable(); });
byId("page-previous").addEventListener("click", () => { table.page -= 1; drawTable(); });
byId("page-next").addEventListener("click", () => { table.page += 1; drawTable(); });
drawHead();
filterRows();
