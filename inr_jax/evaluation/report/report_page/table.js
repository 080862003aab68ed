"use strict";
// The table of mean scores of one condition, sorted by any column.

const table = (() => {
  // A first click sorts names from A, numbers from the best; a third undoes it.
  const FROM_LOW = ["none", "ascending", "descending"];
  const FROM_HIGH = ["none", "descending", "ascending"];
  const columns = [
    { key: "method", title: "Method", directions: FROM_LOW },
    ...REPORT.metrics.map((metric) => ({
      key: metric.key,
      title: heading(metric),
      directions: metric.lower ? FROM_LOW : FROM_HIGH,
    })),
    { key: "clips", title: "Clips", directions: FROM_HIGH },
  ];
  let condition = null;
  let sorted = { key: null, direction: "none" };

  function rows() {
    return REPORT.table.filter((row) => row.condition === condition);
  }

  function compare(a, b) {
    return typeof a === "string" ? a.localeCompare(b) : a - b;
  }

  // What has no value comes last, whichever way.
  function inOrder() {
    const { key, direction } = sorted;
    if (direction === "none") return rows();
    const known = rows().filter((row) => row[key] !== null);
    known.sort((a, b) => compare(a[key], b[key]));
    if (direction === "descending") known.reverse();
    return [...known, ...rows().filter((row) => row[key] === null)];
  }

  function sortBy({ key, directions }) {
    const now = sorted.key === key ? sorted.direction : "none";
    const following = (directions.indexOf(now) + 1) % directions.length;
    sorted = { key, direction: directions[following] };
    show();
  }

  function headCell(column) {
    const cell = make("th");
    const button = make("button", "quiet", column.title);
    button.type = "button";
    button.addEventListener("click", () => sortBy(column));
    cell.scope = "col";
    cell.dataset.key = column.key;
    cell.append(button);
    return cell;
  }

  function spread(row, metric) {
    const [low, high] = [row[`${metric.key}_low`], row[`${metric.key}_high`]];
    if (!Number.isFinite(low) || !Number.isFinite(high)) return "";
    const signed = (x) => (x > 0 ? "+" : "") + shown(x, metric.digits);
    return `${signed(low)} to ${signed(high)}`;
  }

  function metricCell(row, metric, best) {
    const cell = make("td");
    fillScore(cell, row[metric.key], metric, best);
    cell.append(make("span", "spread", spread(row, metric)));
    return cell;
  }

  function bodyRow(row, bests) {
    const line = make("tr");
    const head = nameInto(make("th"), row.method);
    head.scope = "row";
    const cells = REPORT.metrics.map((metric, i) => metricCell(row, metric, bests[i]));
    line.append(head, ...cells, make("td", "", String(row.clips)));
    return line;
  }

  function show() {
    const methods = rows().filter((row) => row.method !== "clean"); // no method is better
    const bests = REPORT.metrics.map((metric) =>
      bestShown(methods.map((row) => row[metric.key]), metric));
    const lines = inOrder().map((row) => bodyRow(row, bests));
    byId("table").tBodies[0].replaceChildren(...lines);
    for (const cell of byId("table").tHead.rows[0].cells) {
      const direction = cell.dataset.key === sorted.key ? sorted.direction : "none";
      cell.setAttribute("aria-sort", direction);
    }
  }

  function choose(name) {
    condition = name;
    show();
  }

  function start() {
    byId("table").tHead.rows[0].append(...columns.map(headCell));
    const known = REPORT.table.some((row) => REPORT.metrics.some((m) => spread(row, m)));
    byId("spread-field").hidden = !known;
    byId("spread").addEventListener("change", (event) =>
      byId("table").classList.toggle("with-spread", event.target.checked));
  }

  return { start, choose };
})();
