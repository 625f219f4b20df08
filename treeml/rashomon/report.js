"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("figures").textContent);
  const { lines, pictures } = JSON.parse(byId("pictures").textContent);
  const members = data.members;
  const rows = byId("members").tBodies[0];
  const selects = [...document.querySelectorAll("[data-column]")];
  const limits = [...document.querySelectorAll("[data-measure]")];
  let shown = 0;
  let pinned = [];

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const number = (digits) => String(digits).replace(/\B(?=(\d{3})+$)/g, ",");
  const amount = (x) => x.toLocaleString("en-US", { maximumFractionDigits: 1 });
  const percent = (share, digits = 0) => `${(100 * share).toLocaleString("en-US", {
    minimumFractionDigits: digits, maximumFractionDigits: digits, roundingMode: "halfEven",
  })} %`; // halves as Python rounds them
  const objective = (x) => String(Number(x.toPrecision(6)));
  const names = (columns) => columns.map((k) => data.columns[k].name).join(", ") || "none";
  const title = (i) => `Tree ${number(BigInt(members[i].place) + 1n)}`;

  // Rows on which two members differ: pairs stand as (0, 1), (0, 2), ..., (1, 2), ...
  const differ = (a, b) => {
    const [i, j] = a < b ? [a, b] : [b, a];
    return data.differ[i * members.length - (i * (i + 1)) / 2 + j - i - 1];
  };

  // The same picture may stand in several places: its ids get the name of the place.
  const picture = (i, place) => {
    const svg = pictures[i].map((k) => lines[k]).join("\n");
    const id = svg.match(/aria-labelledby="(\w+)t /)[1];
    const box = make("div", { className: "scroll" });
    box.innerHTML = svg.replaceAll(id, `${place}-${id}`); // escaped when it was drawn
    return box;
  };

  const rules = (member) => {
    const body = make("tbody", {}, ...member.rules.map(([rule, answer, count, right]) => make("tr", {},
      make("td", { className: "wide" }, rule),
      make("td", {}, answer),
      make("td", { className: "n" }, amount(count)),
      make("td", { className: "n" }, right === null ? "-" : percent(right)))));
    const head = make("tr", {}, ...["If", "Answer", "Rows", "Right"].map((text, k) =>
      make("th", { className: k > 1 ? "n" : "" }, text)));
    return make("div", { className: "scroll" },
      make("table", { className: "rules" }, make("thead", {}, head), body));
  };

  const panel = (i, place) => make("article", { className: "tree" },
    make("h4", {}, `${title(i)}: objective ${objective(members[i].objective)}, `
      + `${members[i].leaves} ${members[i].leaves === 1 ? "leaf" : "leaves"}`),
    picture(i, place), rules(members[i]));

  const difference = () => {
    if (data.differ === null) return "";
    const apart = differ(...pinned);
    const all = data.rows.n_rows;
    if (!apart) return `They give the same answer on all ${amount(all)} rows. `;
    const share = percent(apart / all, 1);
    return `They give different answers on ${amount(apart)} of ${amount(all)} rows (${share}). `;
  };

  const comparison = () => {
    if (pinned.length < 2) {
      return pinned.length ? "Pin one more tree." : "No tree is pinned yet.";
    }
    const [left, right] = pinned.map((i) => members[i].uses);
    const both = left.filter((k) => right.includes(k));
    const alone = (some, others) => names(some.filter((k) => !others.includes(k)));
    return `${difference()}Columns in both: ${names(both)}; only in ${title(pinned[0])}: `
      + `${alone(left, right)}; only in ${title(pinned[1])}: ${alone(right, left)}.`;
  };

  const mark = () => {
    for (const row of rows.rows) {
      const i = Number(row.dataset.member);
      const [show, pin] = row.querySelectorAll("button");
      row.className = i === shown ? "ours" : "";
      show.setAttribute("aria-pressed", i === shown);
      pin.setAttribute("aria-pressed", pinned.includes(i));
    }
  };

  const show = (i) => {
    shown = i;
    byId("shown").replaceChildren(panel(i, "shown"));
    mark();
  };

  const pin = (i) => {
    pinned = pinned.includes(i) ? pinned.filter((k) => k !== i) : [...pinned, i].slice(-2);
    byId("pinned").replaceChildren(...pinned.map((k, at) => panel(k, `pinned${at}`)));
    byId("difference").textContent = comparison();
    mark();
  };

  const line = (i) => {
    const m = members[i];
    const cell = (text) => make("td", { className: "n" }, text);
    const name = make("td", {}, make("button", { type: "button", onclick: () => show(i) }, title(i)));
    if (m.drawn) name.append(make("small", {}, "drawn"));
    const button = make("button", { type: "button", onclick: () => pin(i) }, "Pin");
    button.setAttribute("aria-label", `Pin ${title(i)}`);
    const row = make("tr", {}, name, make("td", {}, button), cell(objective(m.objective)),
      cell(m.leaves), cell(m.depth),
      ...data.measures.map((measure) => cell(percent(measure.values[i], 1))),
      make("td", {}, names(m.uses)));
    row.dataset.member = i;
    return row;
  };

  const fits = (i) => {
    const member = members[i];
    const most = byId("most-leaves").value;
    const within = limits.every(({ value, dataset }) =>
      !value || data.measures[dataset.measure].values[i] <= Number(value) + 1e-9);
    return within && (!most || member.leaves <= Number(most)) && selects.every(({ value, dataset }) =>
      !value || member.uses.includes(Number(dataset.column)) === (value === "must"));
  };

  const filter = () => {
    const fitting = listed.filter((row) => fits(row.dataset.member));
    rows.replaceChildren(...fitting);
    const asked = selects.filter((select) => select.value).length;
    byId("found").textContent = `${fitting.length} of ${members.length} listed trees fit`
      + `${asked ? `, ${asked} ${asked === 1 ? "column" : "columns"} asked for` : ""}.`;
    mark();
  };

  // Arrow keys go through the list.
  rows.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    cell.parentElement[step]?.cells[cell.cellIndex].querySelector("button")?.focus();
  });
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("reset", () => setTimeout(filter));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());

  const listed = members.map((_, i) => line(i));
  byId("difference").textContent = comparison();
  filter();
  show(0);
})();
