// The pooling map: sentences as points, lines from the focused one to its nearest neighbours.

const POOLS = ["first", "mean", "max"]; // as in Python
const WIDE = 540, HIGH = 400, EDGE = 26; // pixels of the map, and its margin
const RADIUS = 5; // of a point

function render({ model, el }) {
  const get = (name) => model.get(name);
  let places = []; // pixels of the points
  const all = {}; // numbers of all variants
  const view = openView(model, el, () => { buildLegend(); paint(); });
  const map = make("canvas", { attributes: {
    role: "application", "aria-roledescription": "map",
    "aria-label": "Sentences as points. Arrow keys go to the nearest point on that side, bracket " +
      "keys to the next sentence, Page keys to the next pool.",
  } });
  const count = make("input", { type: "number", min: 1, style: { width: "3.5em" } });
  const legend = make("div", { className: "tv-bar", style: { maxWidth: `${WIDE}px` } });
  const share = make("div", { style: { marginBottom: "6px", minHeight: "3em" } });
  const table = make("table", { style: { fontVariantNumeric: "tabular-nums" } });
  const line = liveLine(), notice = noticeLine(model);
  el.replaceChildren(
    make("div", { className: "tv-bar" }, view.choice("pool", "pool", POOLS, true),
      view.toggle("padding_mask", "padding mask"), make("label", {}, "neighbours", count)),
    notice,
    make("div", { className: "tv-row" }, make("div", {}, map, legend),
      make("div", { style: { flex: "1 1 340px", maxWidth: "460px" } }, share, table)),
    line,
    make("div", {
      className: "tv-hint",
      textContent: "Click or arrow keys: nearest point on that side · [ ] next sentence · " +
        "Page keys: pool · Tab leaves. Neighbours are those of the full vectors, not of the map.",
    }),
  );

  const load = () => {
    for (const name of ["points", "explained", "nearest", "alike"]) {
      all[name] = fromFloat(get(name));
    }
  };
  /** So many numbers of a kind, under the chosen pool with or without mask. */
  const part = (name, size, mask = get("padding_mask")) => {
    const variant = 2 * POOLS.indexOf(get("pool")) + Number(mask);
    return all[name].subarray(variant * size, (variant + 1) * size);
  };
  const near = (i) => {
    const [n, most] = get("shape"), from = i * most;
    const nearest = part("nearest", n * most), alike = part("alike", n * most);
    return Array.from({ length: Math.min(get("k"), most) }, (_, r) =>
      ({ place: nearest[from + r], alike: alike[from + r] }));
  };
  const className = (i) => get("classes")[get("labels")[i]];
  const sorted = () => get("classes").length > 1;

  /** Pixels of all points: the same scale in both directions, so that distances are true. */
  const place = () => {
    const [n] = get("shape"), points = part("points", 2 * n);
    const ends = [0, 1].map((axis) => {
      const values = Array.from({ length: n }, (_, i) => points[2 * i + axis]);
      return [Math.min(...values), Math.max(...values)];
    });
    const [x, y] = ends.map(([low, high]) => high - low);
    const scale = Math.min((WIDE - 2 * EDGE) / (x || 1e-9), (HIGH - 2 * EDGE) / (y || 1e-9), 1e9);
    const middle = ends.map(([low, high]) => (low + high) / 2);
    places = Array.from({ length: n }, (_, i) => [
      WIDE / 2 + 0.97 * scale * (points[2 * i] - middle[0]),
      HIGH / 2 - 0.97 * scale * (points[2 * i + 1] - middle[1]),
    ]);
  };

  const paint = () => {
    place();
    const style = getComputedStyle(el), ink = style.color, focus = get("sentence");
    const pen = sized(map, WIDE, HIGH), shares = part("explained", 2), close = near(focus);
    pen.strokeStyle = style.getPropertyValue("--edge");
    pen.strokeRect(0.5, 0.5, WIDE - 1, HIGH - 1);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = style.getPropertyValue("--soft");
    const percent = (share) => `${Math.round(100 * share)} %`;
    pen.textAlign = "center";
    pen.fillText(`first direction: ${percent(shares[0])} of the variance`, WIDE / 2, HIGH - 8);
    pen.save();
    pen.rotate(-Math.PI / 2);
    pen.fillText(`second direction: ${percent(shares[1])}`, -HIGH / 2, 16);
    pen.restore();
    pen.strokeStyle = ink;
    for (const { place: other } of close) stroke(pen, places[focus], places[other]);
    places.forEach(([x, y], i) => mark(pen, get("labels")[i], x, y, ink));
    mark(pen, get("labels")[focus], ...places[focus], ink); // on top of those that it touches
    pen.strokeStyle = FOCUS;
    pen.lineWidth = 3;
    pen.beginPath();
    pen.arc(...places[focus], 2 * RADIUS, 0, 7);
    pen.stroke();
    number(pen, close, style);
    count.max = get("shape")[1];
    count.value = get("k");
    paintTable(close);
    say();
  };

  /** The rank of each neighbour beside its point, on a rim of the ground. */
  const number = (pen, close, style) => {
    pen.font = "bold 12px system-ui, sans-serif";
    pen.lineWidth = 3;
    pen.strokeStyle = style.backgroundColor;
    pen.fillStyle = style.color;
    close.forEach(({ place: other }, rank) => {
      const [x, y] = places[other];
      pen.strokeText(rank + 1, x + 11, y - 5);
      pen.fillText(rank + 1, x + 11, y - 5);
    });
  };

  const paintTable = (close) => {
    const [n] = get("shape"), focus = get("sentence");
    const cell = (textContent, style = {}) => make("td", { textContent, style });
    const line = (first, i, alike) => make("tr", {}, cell(first, { color: "var(--soft)" }),
      make("td", { textContent: get("texts")[i], title: get("texts")[i], style: {
        maxWidth: "210px", overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap",
      } }),
      ...(sorted() ? [cell(className(i))] : []), cell(get("lengths")[i]), cell(alike));
    const heads = ["", "sentence", ...(sorted() ? ["class"] : []), "tokens", "cosine"];
    table.replaceChildren(
      make("thead", {}, make("tr", {}, ...heads.map((text) =>
        (text ? make("th", { textContent: text, scope: "col" }) : make("td"))))),
      make("tbody", {}, line("●", focus, ""),
        ...close.map(({ place: other, alike }, r) => line(r + 1, other, alike.toFixed(3)))),
    );
    paintShare();
  };

  /** How many sentences have a nearest neighbour of their class, and how many another than with
      the mask. */
  const paintShare = () => {
    const [n, most] = get("shape"), masked = get("padding_mask");
    const first = (i, mask) => part("nearest", n * most, mask)[i * most];
    let same = 0, moved = 0;
    for (let i = 0; i < n; i++) {
      same += Number(className(first(i, masked)) === className(i));
      moved += Number(first(i, false) !== first(i, true));
    }
    share.textContent =
      (sorted() ? `Nearest neighbour of the same class: ${same} of ${n} sentences. ` : "") +
      (masked ? "" : `Another nearest neighbour than with the mask: ${moved} of ${n}.`);
  };

  const say = (i = get("sentence")) => {
    const [first] = near(i), named = (j) => `"${short(get("texts")[j])}"` +
      (sorted() ? `, ${className(j)}` : "");
    line.textContent = `sentence ${i}, ${named(i)}: nearest is ${named(first.place)}, ` +
      `similarity ${first.alike.toFixed(3)}`;
  };

  const buildLegend = () => {
    const ink = getComputedStyle(el).color;
    legend.hidden = !sorted();
    legend.replaceChildren(...get("classes").map((name, i) => {
      const sign = make("canvas", { attributes: { "aria-hidden": "true" } });
      mark(sized(sign, 16, 16), i, 8, 8, ink);
      return make("label", {}, sign, name);
    }));
  };

  const go = (i) => view.set({ sentence: i });
  const step = (by) => go((get("sentence") + by + places.length) % places.length);
  /** The nearest point in a direction: what lies aside counts twice. */
  const move = (right, down) => {
    const [x, y] = places[get("sentence")];
    let best = null, least = Infinity;
    places.forEach(([a, b], i) => {
      const along = (a - x) * right + (b - y) * down;
      const far = along + 2 * Math.abs((a - x) * down + (b - y) * right);
      if (along > 0.5 && far < least) [best, least] = [i, far];
    });
    if (best !== null) go(best);
  };
  const turn = (by) => view.set({ pool: POOLS[(POOLS.indexOf(get("pool")) + by + 3) % 3] });
  ownKeys(map, {
    ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1), ArrowDown: () => move(0, 1),
    Home: () => go(0), End: () => go(places.length - 1),
    "[": () => step(-1), "]": () => step(1), PageUp: () => turn(-1), PageDown: () => turn(1),
  });
  const at = (event) => {
    const far = places.map(([x, y]) => Math.hypot(x - event.offsetX, y - event.offsetY));
    const least = Math.min(...far);
    return least < 3 * RADIUS ? far.indexOf(least) : null;
  };
  map.addEventListener("click", (event) => { if (at(event) !== null) go(at(event)); });
  map.addEventListener("mousemove", (event) => say(at(event) ?? undefined));
  map.addEventListener("mouseleave", () => say());
  count.addEventListener("change", () => {
    view.set({ k: clamp(Math.round(Number(count.value)) || 1, 1, get("shape")[1]) });
    count.value = get("k");
  });
  view.on("change:pool change:padding_mask change:sentence change:k", paint);
  load();
  buildLegend();
  paint();
  painted(el);
  return view.close;
}

const short = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

function stroke(pen, from, to) {
  pen.lineWidth = 1.2;
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

// Corners of the shapes around 0, in the order of Python's "osD^vP*X"; the circle has none.
const star = (n, inner, turn) => Array.from({ length: 2 * n }, (_, i) => {
  const angle = turn + (i * Math.PI) / n, r = i % 2 ? inner : 1.4;
  return [r * Math.sin(angle), -r * Math.cos(angle)];
});
const PLUS = [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4],
  [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]];
const SHAPES = [
  null, [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]], [[0, -1.2], [1.2, 1], [-1.2, 1]],
  [[0, 1.2], [1.2, -1], [-1.2, -1]], PLUS, star(5, 0.6, 0),
  PLUS.map(([x, y]) => [0.8 * (x - y), 0.8 * (x + y)]),
];

/** One point in the colour and the shape of its class. */
function mark(pen, label, x, y, ink) {
  const corners = SHAPES[(label + Math.floor(label / 8)) % 8];
  pen.fillStyle = OKABE_ITO[label % 8];
  pen.strokeStyle = ink;
  pen.lineWidth = 0.8;
  pen.beginPath();
  if (corners) for (const [a, b] of corners) pen.lineTo(x + RADIUS * a, y + RADIUS * b);
  else pen.arc(x, y, RADIUS, 0, 7);
  pen.closePath();
  pen.fill();
  pen.stroke();
}

export default { render };
