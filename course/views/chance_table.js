// A small table of the most probable tokens with bars, for the views that show some.

/** A probability as a reader wants it: 0.83, 0.047, 0.0031, < 0.0001. */
function chance(p) {
  return p < 1e-4 ? "< 0.0001" : p.toFixed(p >= 0.1 ? 2 : p >= 0.01 ? 3 : 4);
}

/** A table whose rows are {rank, text, p, chosen}; ▸ and bold letters mark the chosen one. */
function chanceTable() {
  const caption = make("caption", { style: { textAlign: "left", paddingBottom: "4px" } });
  const head = make("tr", {}, ...["rank", "token", "probability"].map((textContent) =>
    make("th", { textContent, scope: "col" })));
  const body = make("tbody"), note = make("div", { className: "tv-hint" });
  const table = make("table", { style: { fontVariantNumeric: "tabular-nums" } },
    caption, make("thead", {}, head), body);
  const line = ({ rank, text, p, chosen }) => {
    const bar = make("span", { style: { display: "inline-block", width: `${Math.round(70 * p)}px`,
      height: "10px", marginLeft: "8px", background: OKABE_ITO[0] } });
    const number = make("span", { textContent: chance(p),
      style: { display: "inline-block", minWidth: "4.6em" } });
    return make("tr", { style: { fontWeight: chosen ? "700" : "400" } },
      make("td", { textContent: rank || "?", style: { fontWeight: "inherit" } }),
      make("td", { textContent: (chosen ? "▸ " : "") + text,
        style: { fontWeight: "inherit", minWidth: "7em" } }),
      make("td", { style: { fontWeight: "inherit", minWidth: "140px" } }, number, bar));
  };
  const show = (title, rows, remark) => {
    caption.textContent = title;
    head.hidden = !rows.length;
    body.replaceChildren(...rows.map(line));
    note.textContent = remark;
  };
  return { element: make("div", { style: { width: "262px" } }, table, note), show };
}
