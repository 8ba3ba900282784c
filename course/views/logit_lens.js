// The logit lens: layers from bottom to top, positions from left to right, best guesses in cells.

const FONT = "11px system-ui, sans-serif";
const SIDE = 34, HEAD = 38, FOOT = 40; // pixels for layer numbers, true tokens, read tokens
const TABLE = 282; // pixels for the table beside the grid
const SHOWS = ["token", "probability", "rank of the true token"];
const LEAP = 5; // layers

function render({ model, el }) {
  let best, chances, ranks, truth, size = {};
  const get = (name) => model.get(name);
  const view = openView(model, el, () => paint());
  const grid = make("canvas", {
    attributes: { role: "application", "aria-roledescription": "grid" },
  });
  const table = chanceTable(), line = liveLine();
  const bar = make("div", { className: "tv-bar" }, view.choice("show", "cells show", SHOWS, true));
  const legend = make("span", { className: "tv-hint" });
  const hint = make("div", {
    className: "tv-hint",
    textContent: "Click or arrow keys: cell · Page keys: five layers · [ ] the layer below or " +
      "above where the best guess changes · Home, End · Tab leaves.",
  });
  bar.append(legend);
  el.replaceChildren(bar, noticeLine(model),
    make("div", { className: "tv-row" }, grid, table.element), line, hint);

  const at = (layer, position) => layer * get("shape")[1] + position;
  const guess = (layer, position) => best[at(layer, position) * get("shape")[2]];
  const known = (position) => get("true_tokens")[position] !== "";

  /** What a cell says and how bright it is: [text, 0 to 1], null: not known. */
  const cell = (layer, position) => {
    const place = at(layer, position), p = chances[place * get("shape")[2]];
    if (get("show") === "token") return [get("words")[guess(layer, position)], p];
    if (get("show") === "probability") return [p.toFixed(2), p];
    const rank = ranks[place];
    return rank ? [String(rank), 1 - Math.log(rank) / Math.log(Math.max(2, get("vocab")))]
      : ["?", null];
  };

  const measure = () => {
    const [layers, length] = get("shape"), all = (el.clientWidth || 900) - 16 - SIDE - 4;
    const room = all - TABLE >= length * 40 ? all - TABLE : all;
    size = { layers, length, wide: clamp(Math.floor(room / length), 40, 92),
      high: layers > 16 ? 19 : 26 };
  };
  const y = (layer) => HEAD + (size.layers - 1 - layer) * size.high;

  const paint = () => {
    measure();
    const { layers, length, wide, high } = size, style = getComputedStyle(el);
    const pen = sized(grid, SIDE + length * wide + 3, HEAD + layers * high + FOOT);
    const soft = style.getPropertyValue("--soft"), ink = style.color;
    const write = (text, x, at, room, colour, bold) => {
      pen.font = (bold ? "bold " : "") + FONT;
      pen.fillStyle = colour;
      pen.fillText(fitted(pen, text, room), x, at);
    };
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    for (let l = 0; l < layers; l++) {
      write(String(l), SIDE / 2, y(l) + high / 2, SIDE, ink, l === get("layer"));
      for (let i = 0; i < length; i++) {
        const [text, value] = cell(l, i), left = SIDE + i * wide;
        pen.fillStyle = value === null ? style.backgroundColor : css(cividis(value));
        pen.fillRect(left, y(l), wide - 1, high - 1);
        const on = value === null ? ink : inkOn(value);
        write(text, left + wide / 2, y(l) + high / 2, wide - 5, on);
      }
    }
    for (let i = 0; i < length; i++) {
      const middle = SIDE + (i + 0.5) * wide, bold = i === get("position");
      write(get("true_tokens")[i] || "?", middle, HEAD - 10, wide - 3, ink, bold);
      write(get("tokens")[i], middle, HEAD + layers * high + 11, wide - 3, ink, bold);
    }
    pen.textAlign = "left";
    const room = length * wide, above = get("follows") ? "really follows" : "really stands here";
    write(above, SIDE, 10, room, soft);
    const below = "token that is read; layer 0 is the embeddings";
    write(below, SIDE, HEAD + layers * high + 30, room, soft);
    pen.strokeStyle = FOCUS;
    pen.lineWidth = 3;
    pen.strokeRect(SIDE + get("position") * wide, y(get("layer")), wide - 1, high - 1);
    tell();
  };

  const tell = () => {
    const layer = get("layer"), i = get("position"), [layers, length, count] = get("shape");
    const place = at(layer, i), rank = ranks[place], p = truth[place];
    const rows = Array.from({ length: count }, (_, k) => ({ rank: k + 1, chosen: k + 1 === rank,
      text: get("words")[best[place * count + k]], p: chances[place * count + k] }));
    if (known(i) && rank > count) rows.push({ rank, text: get("true_tokens")[i], p, chosen: true });
    const where = layer === 0 ? "Layer 0, the embeddings" : `Layer ${layer} of ${layers - 1}`;
    table.show(`${where}, ${get("follows") ? "after" : "at"} "${get("tokens")[i]}"`, rows,
      known(i) ? `▸ ${get("follows") ? "really follows" : "really stands here"}` : "");
    legend.textContent = get("show") === SHOWS[2]
      ? "Yellow is rank 1, dark the last rank (log scale)."
      : "Colour: probability of the best guess; dark is 0, yellow is 1.";
    grid.setAttribute("aria-label", `Best guesses of ${layers - 1} layers and the embeddings at ` +
      `${length} positions. Arrow keys move, Page keys leap five layers, bracket keys go to the ` +
      "layer where the guess changes.");
    say(layer, i);
  };

  const say = (layer, i) => {
    const place = at(layer, i), follows = get("follows"), token = get("tokens")[i];
    const where = layer === 0 ? "layer 0 (embeddings)" : `layer ${layer} of ${size.layers - 1}`;
    const guessed = get("words")[guess(layer, i)], p = chances[place * get("shape")[2]];
    const true_ = known(i)
      ? `"${get("true_tokens")[i]}" really ${follows ? "follows" : "stands here"}: ` +
        `rank ${ranks[place]}, probability ${chance(truth[place])}`
      : `what ${follows ? "follows" : "stands here"} is not known`;
    line.textContent = `${where}, ${follows ? "after" : "at"} "${token}": ` +
      `best guess "${guessed}" ${chance(p)}; ${true_}`;
  };

  const go = (layer, position) => {
    const [layers, length] = get("shape");
    view.set({ layer: clamp(layer, 0, layers - 1), position: clamp(position, 0, length - 1) });
    const left = SIDE + get("position") * size.wide; // keep the focus in sight of a wide grid
    if (left < el.scrollLeft) el.scrollLeft = left - SIDE;
    else if (left + size.wide > el.scrollLeft + el.clientWidth) {
      el.scrollLeft = left + size.wide + 16 - el.clientWidth;
    }
  };
  const move = (up, right) => go(get("layer") + up, get("position") + right);
  const change = (step) => {
    const i = get("position"), now = guess(get("layer"), i);
    for (let l = get("layer") + step; l >= 0 && l < size.layers; l += step) {
      if (guess(l, i) !== now) return go(l, i);
    }
  };
  ownKeys(grid, {
    ArrowUp: () => move(1, 0), ArrowDown: () => move(-1, 0),
    ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
    PageUp: () => move(LEAP, 0), PageDown: () => move(-LEAP, 0),
    Home: () => go(get("layer"), 0), End: () => go(get("layer"), Infinity),
    "[": () => change(-1), "]": () => change(1),
  });

  const cellAt = ({ offsetX, offsetY }) => {
    const i = Math.floor((offsetX - SIDE) / size.wide);
    const l = size.layers - 1 - Math.floor((offsetY - HEAD) / size.high);
    return l >= 0 && l < size.layers && i >= 0 && i < size.length ? [l, i] : null;
  };
  grid.addEventListener("click", (event) => { const c = cellAt(event); if (c) go(...c); });
  grid.addEventListener("mousemove", (event) => { const c = cellAt(event); if (c) say(...c); });
  grid.addEventListener("mouseleave", () => say(get("layer"), get("position")));

  const load = () => {
    [best, ranks] = ["best", "ranks"].map((name) => fromInts(get(name)));
    [chances, truth] = ["chances", "truth"].map((name) => fromFloat(get(name)));
  };
  view.on("change:layer change:position change:show change:follows", paint);
  load();
  paint();
  let seen = el.clientWidth;
  const watch = new ResizeObserver(() => { // another width of cells
    if (el.clientWidth !== seen) { seen = el.clientWidth; paint(); }
  });
  watch.observe(el);
  painted(el);
  return () => { watch.disconnect(); view.close(); };
}

/** The numbers of a uint32 buffer. */
function fromInts(view) {
  return Uint32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getUint32(4 * i, true));
}

/** A text, cut where it is too long for its room. */
function fitted(pen, text, room) {
  let short = text;
  while (short.length > 1 && pen.measureText(short).width > room) {
    text = text.slice(0, -1);
    short = `${text}…`;
  }
  return short;
}

export default { render };
