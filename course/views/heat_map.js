// The heat map of attention weights: rows are queries, columns are keys, one head at a time.

const FONT = "12px system-ui, sans-serif";

function render({ model, el }) {
  const [heads, rows, columns] = model.get("shape");
  const queries = model.get("tokens"), keys = model.get("key_tokens");
  const side = Math.max(14, Math.min(40, Math.floor(480 / Math.max(rows, columns))));
  let weights = fromHalf(model.get("log_weights")).map(Math.exp);
  const weight = (row, column) => weights[(model.get("head") * rows + row) * columns + column];

  const canvas = make("canvas", {
    width: columns * side, height: rows * side, style: { display: "block" },
  });
  const frame = make("div", {
    style: {
      position: "absolute", width: `${side}px`, height: `${side}px`, boxSizing: "border-box",
      border: "3px solid #d55e00", pointerEvents: "none",
    },
  });
  const map = make("div", {
    style: { position: "relative", width: `${columns * side}px`, gridArea: "2 / 2" },
    attributes: {
      role: "application",
      "aria-label": "Heat map of attention weights. Arrow keys move, bracket keys change the head.",
    },
  }, canvas, frame);
  const line = liveLine();
  const chosen = make("select", { style: { font: FONT } }, ...Array.from({ length: heads },
    (_, head) => make("option", { value: head, textContent: head })));
  const bar = make("div", { style: { font: FONT, marginBottom: "8px" } },
    make("label", {}, "head ", chosen),
    " rows are queries, columns are keys; dark is 0, yellow is 1");
  const grid = make("div", {
    style: { display: "grid", gridTemplateColumns: "max-content max-content", overflow: "auto" },
  }, rowLabels(queries, side), columnLabels(keys, side), map);
  el.replaceChildren(bar, grid, line);

  const paint = () => {
    const pen = canvas.getContext("2d");
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        pen.fillStyle = `rgb(${cividis(weight(row, column)).join(",")})`;
        pen.fillRect(column * side, row * side, side - 1, side - 1);
      }
    }
  };
  const focus = () => {
    const row = model.get("row"), column = model.get("column");
    frame.style.left = `${column * side}px`;
    frame.style.top = `${row * side}px`;
    line.textContent = `head ${model.get("head")}: "${queries[row]}" looks at "${keys[column]}" ` +
      `with weight ${weight(row, column).toFixed(2)}`;
  };
  const refresh = () => {
    chosen.value = model.get("head");
    paint();
    focus();
  };
  const go = (row, column) => {
    model.set("row", Math.max(0, Math.min(rows - 1, row)));
    model.set("column", Math.max(0, Math.min(columns - 1, column)));
    model.save_changes();
  };
  const move = (down, right) => go(model.get("row") + down, model.get("column") + right);
  const turn = (step) => {
    model.set("head", (model.get("head") + step + heads) % heads);
    model.save_changes();
  };

  ownKeys(map, {
    ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0),
    ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
    Home: () => go(model.get("row"), 0), End: () => go(model.get("row"), columns - 1),
    "[": () => turn(-1), "]": () => turn(1), PageUp: () => turn(-1), PageDown: () => turn(1),
  });
  map.addEventListener("mousemove", (event) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top) / side);
    const column = Math.floor((event.clientX - box.left) / side);
    if (row !== model.get("row") || column !== model.get("column")) go(row, column);
  });
  chosen.addEventListener("change", () => {
    model.set("head", Number(chosen.value));
    model.save_changes();
  });
  model.on("change:row change:column", focus);
  model.on("change:head", refresh);
  model.on("change:log_weights", () => {
    weights = fromHalf(model.get("log_weights")).map(Math.exp);
    refresh();
  });
  refresh();
}

function rowLabels(tokens, side) {
  return make("div", { style: { gridArea: "2 / 1", font: FONT, textAlign: "right" } },
    ...tokens.map((token) => make("div", {
      textContent: token,
      style: { height: `${side}px`, lineHeight: `${side}px`, paddingRight: "6px" },
    })));
}

function columnLabels(tokens, side) {
  return make("div", { style: { gridArea: "1 / 2", font: FONT, display: "flex" } },
    ...tokens.map((token) => make("div", {
      textContent: token,
      style: {
        width: `${side}px`, lineHeight: `${side}px`, flexShrink: 0, padding: "6px 0",
        writingMode: "vertical-rl", transform: "rotate(180deg)",
      },
    })));
}

export default { render };
