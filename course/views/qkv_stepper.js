// The QKV stepper: how one cell of attention comes about, in six steps.

const FONT = "12px system-ui, sans-serif", BOLD = `bold ${FONT}`;
const STEPS = ["Q and K", "scores", "÷ √d", "mask", "softmax", "· V"];
const KEYS = "Click or arrow keys: cell · [ ] step · Home, End: first, last key · Tab leaves.";
const NAMES = ["products", "scores", "scaled", "masked", "weights", "output"];

/** The colour of a number from -1 to 1: purple, white, green (ColorBrewer's PRGn). */
const signed = (x) => (x < 0 ? [118, 42, 131] : [27, 120, 55])
  .map((end) => Math.round(247 + Math.abs(x) * (end - 247)));

const fixed = (x) => (x === -Infinity ? "−∞"
  : x.toFixed(2).replace(/^-(?=[0.]+$)/, "").replace("-", "−"));
const short = (x, digits = 2) => `${+x.toFixed(digits)}`.replace("-", "−");
const factor = (text) => (text[0] === "−" ? `(${text})` : text);
const vector = (values) =>
  `(${Array.from(values, (x) => short(x)).slice(0, 4)}${values.length > 4 ? ",…" : ""})`
    .replaceAll(",", ", ");
const part = (values, i, size) => values.subarray(i * size, (i + 1) * size);

function render({ model, el }) {
  const get = (name) => model.get(name);
  const view = openView(model, el, () => paint());
  const map = make("canvas",
    { attributes: { role: "application", "aria-label": `Attention step by step. ${KEYS}` } });
  const line = liveLine(), legend = make("div", { className: "tv-bar tv-hint" });
  const mask = get("mask").byteLength && get("mask"), [n, m, d, wide] = get("shape");
  const queries = get("tokens"), keys = get("key_tokens");
  const [q, k, v] = ["q", "k", "v"].map((name) => fromFloat(get(name)));
  const hidden = (i) => mask && get("masked") && !mask.getUint8(i);
  const buttons = STEPS.map((name, i) => make("button", {
    textContent: `${i} ${name}`, onclick: () => view.set({ step: i }),
  }));
  el.replaceChildren(
    make("div", { className: "tv-bar" }, make("span", {}, ...buttons),
      view.toggle("scaled", `divide by √${d}`), ...(mask ? [view.toggle("masked", "mask")] : [])),
    noticeLine(model), map, legend, line,
    make("div",
      { className: "tv-hint", textContent: `${KEYS} A dash: below 0; a cross: hidden.` }),
  );

  let stages, panels;
  /** What the steps make: (queries x keys), and the output. A row without keys gets zeros. */
  const redo = () => {
    const root = get("scaled") ? Math.sqrt(d) : 1, scores = products(q, k, d);
    const scaled = scores.map((x) => x / root);
    const masked = scaled.map((x, i) => (hidden(i) ? -Infinity : x));
    const weights = masked.map((x, i) => {
      const row = part(masked, Math.floor(i / m), m), most = Math.max(...row);
      const sum = row.reduce((a, y) => a + Math.exp(y - most), 0);
      return x === -Infinity ? 0 : Math.exp(x - most) / sum;
    });
    stages = [null, scores, scaled, masked, weights, products(weights, turned(v, wide), m)];
    paint();
  };

  /** Places all matrices of this step; gives the size of the drawing. */
  const arrange = (pen) => {
    const step = get("step"), last = step === 5;
    pen.font = BOLD;
    const room = (texts) => 12 + Math.max(...texts.map((t) => pen.measureText(t).width));
    const side = clamp(Math.floor((last ? 400 : 456) / Math.max(n, m)), last ? 6 : 7, 38);
    const w = clamp(Math.floor(170 / (last ? wide : d)), 3, 38);
    const left = Math.max(66, room(queries)), top = room(keys), y = last ? top : top + d * w + 24;
    const x = left + (last ? m * side + top : d * w) + 14, end = x + wide * w + 34;
    const foot = y + (last ? Math.max(n, m) : n) * side + 30;
    // `r` and `c`: which part of the focus the rows and columns stand for
    const of = (name, values, rows, columns, [x, y, w, h], r, c, hides) =>
      ({ name, values, rows, columns, x, y, w, h, r, c, hides });
    panels = last ? [
      of("weights", stages[4], n, m, [left, y, side, side], "row", "column", hidden),
      of(`V ${m} × ${wide}`, v, m, wide, [x, y, w, side], "column"),
      of("output", stages[5], n, wide, [end, y, w, side], "row"),
    ] : [
      of(`Q ${n} × ${d}`, q, n, d, [left, y, w, side], "row"),
      of(`Kᵀ ${d} × ${m}`, turned(k, d), d, m, [x, top, side, w], "", "column"),
    ];
    if (step % 5) panels.push(of(NAMES[step], stages[step], n, m, [x, y, side, side], "row",
      "column", step > 2 && hidden));
    const under = panels[step < 2 ? 0 : 2], from = get("row") * m;
    panels.push(...parts(step, get("row"), get("column")).map(([label, values], i) => ({
      ...under, label, values, rows: 1, y: foot + 26 * i, h: 22, name: "", r: "",
      hides: i > 1 && under.hides && ((j) => hidden(from + j)) })));
    return last ? [end + wide * w + 30, foot] : [x + m * side + 30, foot + 104];
  };

  /** What the focused cell is made of: the products, or its row after every step. */
  const parts = (step, row, column) => {
    if (step === 5) return [];
    if (step > 1) return NAMES.slice(1, step + 1).map((name, i) =>
      [name, part(stages[i + 1], row, m)]);
    const query = part(q, row, d), key = part(k, column, d);
    return [["q", query], ["k", key], ["q · k", query.map((x, c) => x * key[c])]];
  };

  /** Numbers stand where they fit, else a dash in a negative cell. */
  const paintPanel = (pen, p, edge) => {
    const weights = isWeights(p), most = mostOf(p.values);
    const gap = p.w < 6 || p.h < 6 ? 0 : 1;
    Object.assign(pen, { strokeStyle: edge, lineWidth: 1, textAlign: "center",
      textBaseline: "middle", font: FONT.replace(12, 11) });
    pen.beginPath();
    p.values.forEach((value, i) => {
      const x = p.x + (i % p.columns) * p.w, y = p.y + Math.floor(i / p.columns) * p.h;
      if (p.hides && p.hides(i)) {
        for (const t of [0, p.w]) {
          pen.moveTo(x + t, y);
          pen.lineTo(x + p.w - t, y + p.h);
        }
        return;
      }
      const share = value / most;
      pen.fillStyle = css(weights ? cividis(value) : signed(share));
      pen.fillRect(x, y, p.w - gap, p.h - gap);
      pen.fillStyle = weights ? inkOn(value) : share > 0.87 || share < -0.72 ? "#fff" : "#000";
      const text = p.w > 25 && p.h > 15 ? short(value, p.w > 33 ? 2 : 1) : value < 0 ? "−" : "";
      if (p.w > 6 && p.h > 6) pen.fillText(text, x + p.w / 2, y + p.h / 2, p.w - 2);
    });
    pen.stroke();
    if (!p.r && !p.c) return;
    Object.assign(pen, { strokeStyle: FOCUS, lineWidth: 3 });
    pen.strokeRect(p.x + (p.c ? get(p.c) * p.w : 0), p.y + (p.r ? get(p.r) * p.h : 0),
      p.c ? p.w : p.columns * p.w, p.r ? p.h : p.rows * p.h);
  };

  const paint = () => {
    const pen = sized(map, ...arrange(map.getContext("2d"))), look = getComputedStyle(el);
    const [first, second] = panels, step = get("step"), last = step === 5;
    panels.forEach((p) => paintPanel(pen, p, look.getPropertyValue("--edge")));
    pen.fillStyle = look.color;
    labels(pen, queries, first, get("row"));
    labels(pen, keys, last ? first : second, get("column"), true);
    if (last) labels(pen, keys, second, get("column"));
    for (const p of panels) {
      if (p.label) labels(pen, [p.label], p);
      Object.assign(pen, { font: BOLD, textAlign: "center" });
      pen.fillText(p.name, p.x + p.columns * p.w / 2, p.y + p.rows * p.h + 12);
    }
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === step));
    legend.replaceChildren(...panels.filter((p) => p.name).map(scaleOf));
    line.textContent = `step ${step}, ${words(step, get("row"), get("column"))}`;
  };

  const words = (step, row, column) => {
    const i = row * m + column, from = `"${queries[row]}"`, to = `"${keys[column]}"`;
    const cell = `${from} · ${to}`, score = fixed(stages[1][i]), scaled = fixed(stages[2][i]);
    if (step === 0) {
      const key = part(k, column, d), terms = Array.from(part(q, row, d).slice(0, 6),
        (x, c) => `${factor(short(x))}·${factor(short(key[c]))}`);
      return `products: ${cell} = ${terms.join(" + ")}${d > 6 ? " + …" : ""} = ${score}`;
    }
    if (step === 1) return `scores: ${cell} = ${score}, a sum of ${d} products`;
    if (step === 2 && !get("scaled")) return `not scaled: ${cell} = ${score}`;
    if (step === 2) return `scaled: ${cell} = ${score} / √${d} = ${scaled}`;
    if (step === 3) return hidden(i) ? `masked: ${from} may not look at ${to}: ${scaled} → −∞`
      : `${mask && get("masked") ? "" : "not "}masked: ${cell} = ${scaled}`;
    const weights = part(stages[4], row, m), logits = part(stages[3], row, m);
    const most = Math.max(...logits);
    if (most === -Infinity) return `${NAMES[step]}: ${from} may look at no key, all is 0`;
    if (step === 4) {
      const base = Math.abs(most) > 20 ? most : 0; // larger numbers have no exp
      const sum = fixed(logits.reduce((a, x) => a + Math.exp(x - base), 0));
      return `weights: ${from} to ${to} = exp(${fixed(logits[column])}` +
        `${base ? ` − ${factor(fixed(base))}` : ""}) / ${sum} = ` +
        `${fixed(Math.exp(logits[column] - base))} / ${sum} = ${fixed(weights[column])}`;
    }
    const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]);
    const terms = order.slice(0, 3).map((j) => `${fixed(weights[j])} V("${keys[j]}")`);
    return `output: ${from} = ${terms.join(" + ")}${m > 3 ? ` + ${m - 3} smaller` : ""} = ` +
      `${vector(part(stages[5], row, wide))}; V(${to}) = ${vector(part(v, column, wide))}`;
  };

  const move = (down, right) => view.set({
    row: clamp(get("row") + down, 0, n - 1), column: clamp(get("column") + right, 0, m - 1) });
  const turn = (by) => view.set({ step: clamp(get("step") + by, 0, 5) });
  ownKeys(map, {
    ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0),
    ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
    Home: () => move(0, -m), End: () => move(0, m),
    "[": () => turn(-1), "]": () => turn(1),
  });
  map.addEventListener("click", ({ offsetX, offsetY }) => {
    for (const p of panels) {
      const i = Math.floor((offsetY - p.y) / p.h), j = Math.floor((offsetX - p.x) / p.w);
      if (!p.name || i < 0 || j < 0 || i >= p.rows || j >= p.columns) continue;
      view.set({ ...(p.r && { [p.r]: i }), ...(p.c && { [p.c]: j }) });
    }
  });

  view.on("change:scaled change:masked", redo);
  view.on("change:step change:row change:column", paint);
  redo();
  painted(el);
  return view.close;
}

/** Each row of `a` times each row of `b`; a row has so many numbers. */
const products = (a, b, size, columns = b.length / size) =>
  new Float64Array(a.length / size * columns).map((_, i) => {
    const other = part(b, i % columns, size);
    return part(a, Math.floor(i / columns), size).reduce((sum, x, c) => sum + x * other[c], 0);
  });
const turned = (values, columns, rows = values.length / columns) =>
  values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
const isWeights = (p) => (p.label ?? p.name) === "weights";
const mostOf = (values) => Math.max(...values.filter(Number.isFinite).map(Math.abs), 0) || 1;

/** Labels beside a matrix or turned above it; narrow ones leave some out. */
function labels(pen, tokens, p, focus, turned) {
  const size = turned ? p.w : p.h, step = Math.ceil(13 / size);
  pen.save();
  pen.translate(p.x, p.y);
  if (turned) pen.rotate(-Math.PI / 2);
  pen.textAlign = turned ? "left" : "right";
  tokens.forEach((token, i) => {
    pen.font = i === focus ? BOLD : FONT;
    if (i !== focus && (i % step || Math.abs(i - focus) < step)) return;
    pen.fillText(token, turned ? 6 : -6, (i + 0.5) * size);
  });
  pen.restore();
}

/** The colour scale of a matrix with its range. */
function scaleOf(p) {
  const weights = isWeights(p), most = mostOf(p.values);
  const colours = [-1, 0, 1].map((x) => css(weights ? cividis((x + 1) / 2) : signed(x)));
  const range = weights ? "0 to 1" : `${short(-most)} to ${short(most)}`;
  return make("span", { textContent: `${p.name}: ${range}`, style: {
    borderBottom: "7px solid", borderImage: `linear-gradient(90deg, ${colours}) 1` } });
}

export default { render };
