// The attention explorer: thumbnails of all heads, one head as a heat map or as arcs.

const FONT = "12px system-ui, sans-serif";
const THUMB = 26; // pixels
// As a pixel of a canvas: its bytes are red, green, blue, opacity from the lowest up.
const COLOURS = Uint32Array.from({ length: 256 }, (_, i) => {
  const [red, green, blue] = cividis(i / 255);
  return (255 << 24) | (blue << 16) | (green << 8) | red;
});
const ARCS = 220; // pixels between the two columns of tokens

function render({ model, el }) {
  let held = null, head = null; // log-weights as they came; the head as it is shown
  const get = (name) => model.get(name);
  const view = openView(model, el, () => { paintThumbs(); paint(); });
  const thumbs = make("canvas", { attributes: { role: "img" } });
  const map = make("canvas", { attributes: { role: "application" } });
  const line = liveLine(), notice = noticeLine(model);
  const bar = make("div", { className: "tv-bar" });
  const hint = make("div", {
    className: "tv-hint",
    textContent: "Click or arrow keys: cell · [ ] head · Page keys layer · Tab leaves. " +
      "Rows are queries, columns are keys; dark is 0, yellow is 1.",
  });
  el.replaceChildren(bar, notice, make("div", { className: "tv-row" }, thumbs, map), line, hint);

  const buildBar = () => {
    const [layers, heads, rows, columns] = get("shape");
    const numbers = (n) => Array.from({ length: n }, (_, i) => String(i));
    const kinds = get("kinds");
    bar.replaceChildren(
      ...(kinds.length > 1 ? [view.choice("kind", "attention", kinds, true)] : []),
      ...(layers > 1 ? [view.choice("layer", "layer", numbers(layers))] : []),
      ...(heads > 1 ? [view.choice("head", "head", numbers(heads))] : []),
      view.choice("mode", "view", ["heat map", "arcs"], true),
      ...(rows === columns ? [view.toggle("causal", "causal mask")] : []),
      view.slider("temperature", "temperature", { min: 0.1, max: 3, step: 0.05 }),
      view.slider("mass", "keep mass", { min: 0.1, max: 1, step: 0.05 }),
    );
    thumbs.hidden = layers * heads === 1;
    thumbs.setAttribute("aria-label", `Thumbnails of ${layers} layers and ${heads} heads`);
    map.setAttribute("aria-label", `Attention weights of ${rows} queries to ${columns} keys. ` +
      "Arrow keys move, bracket keys change the head, Page keys the layer.");
  };

  /** The chosen head under mask, temperature and mass; null while its numbers are on the way. */
  const load = () => {
    const [, heads, rows, columns] = get("shape");
    const place = get("layer") * heads + get("head") - get("first");
    if (place < 0 || (place + 1) * rows * columns > held.length) return null;
    return explored(held.subarray(place * rows * columns, (place + 1) * rows * columns),
      [rows, columns], get("causal"), get("temperature"), get("mass"));
  };

  const paintThumbs = () => {
    const [layers, heads] = get("shape"), [rows, columns] = get("thumb_shape");
    const bytes = get("thumbs"), pen = sized(thumbs, heads * THUMB + 22, layers * THUMB + 22);
    pen.fillStyle = getComputedStyle(el).color;
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    const every = (n) => Math.ceil(n / 24);
    for (let h = 0; h < heads; h += every(heads)) pen.fillText(h, 22 + (h + 0.5) * THUMB, 14);
    for (let l = 0; l < layers; l += every(layers)) pen.fillText(l, 9, 26 + (l + 0.5) * THUMB);
    pen.imageSmoothingEnabled = false;
    for (let i = 0; i < layers * heads; i++) {
      const byte = (k) => bytes.getUint8(i * rows * columns + k);
      const x = 22 + (i % heads) * THUMB, y = 22 + Math.floor(i / heads) * THUMB;
      pen.drawImage(imageOf(byte, rows, columns), x + 1, y + 1, THUMB - 2, THUMB - 2);
    }
    pen.strokeStyle = FOCUS;
    pen.lineWidth = 3;
    const corner = (i) => 23 + i * THUMB;
    pen.strokeRect(corner(get("head")), corner(get("layer")), THUMB - 2, THUMB - 2);
  };

  /** Sizes of the drawing: one side of a cell, room for labels on the left and above. */
  const sizes = () => {
    const [, , rows, columns] = get("shape");
    const pen = map.getContext("2d");
    pen.font = FONT;
    const widest = (tokens) =>
      Math.min(120, 10 + Math.max(...tokens.map((token) => pen.measureText(token).width)));
    const arcs = get("mode") === "arcs";
    const side = arcs ? clamp(Math.floor(560 / Math.max(rows, columns)), 13, 26)
      : clamp(Math.floor(520 / Math.max(rows, columns)), 4, 36);
    const left = widest(get("tokens")), top = widest(get("key_tokens"));
    return { arcs, side, left, top: arcs ? 20 : top, right: top, rows, columns };
  };

  const paint = () => {
    head = load();
    const size = sizes();
    const width = size.arcs ? size.left + ARCS + size.right : size.left + size.columns * size.side;
    const lines = size.arcs ? Math.max(size.rows, size.columns) : size.rows;
    const height = size.top + size.side * lines;
    const pen = sized(map, width + 2, height + 2);
    pen.font = FONT;
    pen.fillStyle = getComputedStyle(el).color;
    pen.textBaseline = "middle";
    (size.arcs ? paintArcs : paintMap)(pen, size);
    say();
  };

  const paintMap = (pen, { side, left, top, rows, columns }) => {
    const step = Math.ceil(13 / side), row = get("row"), column = get("column");
    const near = (i, focus) => i === focus || (i % step === 0 && Math.abs(i - focus) >= step);
    const y = (i) => top + (i + 0.5) * side;
    labels(pen, get("tokens"), (i) => near(i, row), left - 6, y, "right");
    pen.save();
    pen.rotate(-Math.PI / 2);
    get("key_tokens").forEach((token, i) => {
      if (near(i, column)) pen.fillText(fitted(pen, token), -top + 6, left + (i + 0.5) * side);
    });
    pen.restore();
    if (!head) return;
    pen.imageSmoothingEnabled = false;
    const image = imageOf((i) => Math.round(255 * head[i]), rows, columns);
    pen.drawImage(image, left, top, columns * side, rows * side);
    if (side >= 10) {
      pen.strokeStyle = getComputedStyle(el).backgroundColor;
      pen.lineWidth = 1;
      for (let i = 1; i < rows; i++) pen.strokeRect(left, top + i * side, columns * side, 0);
      for (let j = 1; j < columns; j++) pen.strokeRect(left + j * side, top, 0, rows * side);
    }
    pen.strokeStyle = FOCUS;
    pen.lineWidth = 3;
    pen.strokeRect(left + column * side, top + row * side, side, side);
  };

  const paintArcs = (pen, { side, left, top, rows, columns }) => {
    const row = get("row"), y = (i) => top + (i + 0.5) * side, colour = OKABE_ITO[get("head") % 8];
    pen.fillText("query", 0, 8);
    pen.fillText("key", left + ARCS + 6, 8);
    labels(pen, get("tokens"), () => true, left - 6, y, "right", row);
    labels(pen, get("key_tokens"), () => true, left + ARCS + 6, y, "left", get("column"));
    pen.textAlign = "center";
    pen.fillStyle = getComputedStyle(el).color;
    pen.fillText(`head ${get("head")}`, left + ARCS / 2, 8);
    if (!head) return;
    pen.strokeStyle = colour;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const weight = head[i * columns + j];
        if (weight < 0.02) continue;
        pen.globalAlpha = i === row ? Math.max(0.25, weight) : 0.3 * weight;
        pen.lineWidth = i === row ? 1 + 4 * weight : 1.5;
        pen.beginPath();
        pen.moveTo(left, y(i));
        pen.bezierCurveTo(left + ARCS / 2, y(i), left + ARCS / 2, y(j), left + ARCS, y(j));
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
  };

  const say = (row = get("row"), column = get("column")) => {
    const [layers, , , columns] = get("shape");
    const where = `${layers > 1 ? `layer ${get("layer")}, ` : ""}head ${get("head")}`;
    const weight = head?.[row * columns + column];
    line.textContent = head
      ? `${where}: "${get("tokens")[row]}" looks at "${get("key_tokens")[column]}" with weight ` +
        weight.toFixed(2)
      : `${where}: waiting for the numbers; a kernel must be running`;
  };

  const go = (row, column) => {
    const [, , rows, columns] = get("shape");
    view.set({ row: clamp(row, 0, rows - 1), column: clamp(column, 0, columns - 1) });
  };
  const move = (down, right) => go(get("row") + down, get("column") + right);
  const turn = (name, step) => {
    const n = get("shape")[name === "layer" ? 0 : 1];
    view.set({ [name]: (get(name) + step + n) % n });
  };
  ownKeys(map, {
    ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0),
    ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
    Home: () => go(get("row"), 0), End: () => go(get("row"), Infinity),
    "[": () => turn("head", -1), "]": () => turn("head", 1),
    PageUp: () => turn("layer", -1), PageDown: () => turn("layer", 1),
  });

  const cellAt = (event) => {
    const { arcs, side, left, top, rows, columns } = sizes();
    const row = Math.floor((event.offsetY - top) / side);
    if (arcs) return row >= 0 && row < rows ? [row, get("column")] : null;
    const column = Math.floor((event.offsetX - left) / side);
    return row >= 0 && row < rows && column >= 0 && column < columns ? [row, column] : null;
  };
  const at = (event, act) => {
    const cell = cellAt(event);
    if (cell) act(...cell);
  };
  map.addEventListener("click", (event) => at(event, go));
  map.addEventListener("mousemove", (event) => at(event, say));
  map.addEventListener("mouseleave", () => say());
  thumbs.addEventListener("click", (event) => {
    const [layers, heads] = get("shape");
    view.set({
      layer: clamp(Math.floor((event.offsetY - 22) / THUMB), 0, layers - 1),
      head: clamp(Math.floor((event.offsetX - 22) / THUMB), 0, heads - 1),
    });
  });

  view.on("change:log_weights change:shape change:first", () => {
    held = fromHalf(get("log_weights"));
    paint();
  });
  view.on("change:shape change:kinds", buildBar);
  view.on("change:thumbs change:thumb_shape change:layer change:head", paintThumbs);
  view.on("change:layer change:head change:row change:column change:mode change:causal " +
    "change:temperature change:mass change:tokens change:key_tokens", paint);
  held = fromHalf(get("log_weights"));
  buildBar();
  paintThumbs();
  paint();
  painted(el);
  return view.close;
}

/**
 * Weights of one head from their logarithms: masked, sharpened or flattened, cut to the largest
 * that hold `mass` of a row. softmax(z / t) is p^(1/t), shared out anew.
 */
function explored(logs, [rows, columns], causal, temperature, mass) {
  const weights = new Float32Array(rows * columns), own = !causal && temperature === 1;
  for (let i = 0; i < rows; i++) {
    const row = weights.subarray(i * columns, (i + 1) * columns);
    const end = causal ? i + 1 : columns;
    let most = -Infinity, sum = 0;
    for (let j = 0; j < end; j++) most = Math.max(most, logs[i * columns + j]);
    if (most === -Infinity) continue; // a row without weights
    for (let j = 0; j < end; j++) {
      row[j] = Math.exp((logs[i * columns + j] - most) / temperature);
      sum += row[j];
    }
    const factor = own ? Math.exp(most) : 1 / sum;
    for (let j = 0; j < end; j++) row[j] *= factor;
    if (mass < 1) keepMass(row, mass);
  }
  return weights;
}

/** Blank all but the fewest weights that add up to `mass` of the row. */
function keepMass(row, mass) {
  const order = Array.from(row.keys()).sort((a, b) => row[b] - row[a]);
  let left = mass * row.reduce((sum, weight) => sum + weight, 0) - 1e-6;
  for (const j of order) {
    if (left <= 0) row[j] = 0;
    else left -= row[j];
  }
}

/** A matrix as a picture of one pixel a weight; `byte` gives the weight of place i times 255. */
function imageOf(byte, rows, columns) {
  const small = make("canvas", { width: columns, height: rows });
  const image = new ImageData(columns, rows), pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = COLOURS[byte(i)];
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

/** A token's text, cut where it is too long for its room. */
function fitted(pen, token) {
  while (token.length > 2 && pen.measureText(token).width > 112) token = `${token.slice(0, -2)}…`;
  return token;
}

/** Tokens below each other; the focused one bold. */
function labels(pen, tokens, shown, x, y, align, focus = -1) {
  pen.textAlign = align;
  tokens.forEach((token, i) => {
    pen.font = i === focus ? `bold ${FONT}` : FONT;
    if (shown(i)) pen.fillText(fitted(pen, token), x, y(i));
  });
  pen.font = FONT;
  pen.textAlign = "left";
}

export default { render };
