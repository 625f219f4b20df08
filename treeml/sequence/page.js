"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const { strings, tokens } = JSON.parse(byId("data").textContent);
  const buttons = [...document.querySelectorAll("[data-token]")];
  const panel = byId("rule");

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const percent = (share) => (share >= 0.001 || share === 0 ? `${(100 * share).toFixed(1)} %` : `${(100 * share).toPrecision(2)} %`);
  const list = (pairs) => pairs.map(([name, share]) => `“${strings[name]}” ${percent(share)}`).join(", ");
  const row = (...cells) => make("tr", {}, ...cells.map(([text, kind]) => make("td", { className: kind, textContent: text })));

  const path = (expert, all) => {
    const body = make("tbody", {});
    for (const [test, rows, count, share, top] of expert.nodes)
      body.append(row([strings[test], "wide"], [rows ? rows.toLocaleString("en-US") : "", "n"], [String(count), "n"], [percent(all ? share / all : 0), "n"], [list(top), "wide"]));
    const head = ["Where", "Places", "Counted", "Part", "What came there"];
    const kinds = ["", "n", "n", "n", ""];
    return make("div", { className: "scroll" }, make("table", {},
      make("thead", {}, make("tr", {}, ...head.map((text, i) => make("th", { className: kinds[i], textContent: text })))), body));
  };

  const show = (i) => {
    const token = tokens[i];
    buttons.forEach((button, j) => button.setAttribute("aria-pressed", String(i === j)));
    const bits = -Math.log2(token.p);
    panel.replaceChildren(
      make("h2", { textContent: `“${token.t}”: ${percent(token.p)}, ${bits.toFixed(2)} bits` }),
      make("p", { textContent: `Expected: ${list(token.top)}.` }));
    for (const expert of token.experts) {
      const title = token.experts.length > 1 ? `${strings[expert.name]}: ${percent(expert.alone)} by itself, part ${percent(token.p ? expert.share / token.p : 0)}` : "The rule";
      panel.append(make("h3", { textContent: title }));
      if (expert.nodes.length) panel.append(path(expert, token.p));
    }
    if (token.boosts.length) {
      panel.append(make("h3", { textContent: "Factors" }));
      panel.append(make("ul", { className: "seen" }, ...token.boosts.map(([why, factor]) => make("li", { textContent: `${strings[why]}: × ${factor}` }))));
    }
    if (token.seen.length) {
      panel.append(make("h3", { textContent: "Such places in training" }));
      panel.append(make("ul", { className: "seen" }, ...token.seen.map((k) => make("li", { textContent: strings[k] }))));
    }
  };

  buttons.forEach((button, i) => button.addEventListener("click", () => show(i)));
  document.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const next = at + { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (at < 0 || !(next >= 0 && next < buttons.length)) return;
    buttons[next].focus();
    show(next);
  });
})();
