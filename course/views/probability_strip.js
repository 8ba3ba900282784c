// The probability strip: tokens in lines, coloured by their probability, and what else was likely.

const FONT = "13px ui-monospace, Menlo, Consolas, monospace";
const BOX = 24, LINE = 48, GAP = 3; // pixels: a token's box, a line with its numbers
const TABLE = 282; // pixels for the table beside the strip

function render({ model, el }) {
  let chances, places = [], width = 0;
  const get = (name) => model.get(name);
  const view = openView(model, el, () => paint());
  const strip = make("canvas", {
    attributes: { role: "application", "aria-roledescription": "strip" },
  });
  const table = chanceTable(), line = liveLine();
  const bar = make("div", { className: "tv-bar" }), count = make("span");
  const hint = make("div", {
    className: "tv-hint",
    textContent: "Click or arrow keys: token · Home, End · [ ] the surprise before, the next one " +
      "· Tab leaves. Dark is 0, yellow is 1; no number: given, ! below the threshold.",
  });
  const range = { min: 0, max: 0.5, step: 0.01 };
  bar.append(view.slider("threshold", "a surprise is below", range), count);
  el.replaceChildren(bar, noticeLine(model),
    make("div", { className: "tv-row" }, strip, table.element), line, hint);

  const given = (i) => Number.isNaN(chances[i]);
  const surprising = (i) => chances[i] < get("threshold"); // false for NaN

  /** Where each token stands: {left, top, width, text}. */
  const lay = () => {
    const pen = strip.getContext("2d"), all = (el.clientWidth || 900) - 16;
    const room = all - TABLE >= 360 ? all - TABLE : Math.max(all, 240);
    pen.font = FONT;
    let left = 1, top = 2;
    places = get("tokens").map((token) => {
      let text = token;
      while (text.length > 2 && pen.measureText(text).width > 150) text = `${text.slice(0, -2)}…`;
      const wide = Math.max(42, Math.ceil(pen.measureText(text).width) + 12);
      if (left > 1 && left + wide > room) [left, top] = [1, top + LINE];
      const place = { left, top, width: wide, text };
      left += wide + GAP;
      return place;
    });
    width = Math.max(...places.map((place) => place.left + place.width)) + 2;
    return sized(strip, width, top + LINE);
  };

  const paint = () => {
    const pen = lay(), style = getComputedStyle(el), ink = style.color;
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    places.forEach(({ left, top, width: wide, text }, i) => {
      const p = chances[i], middle = left + wide / 2;
      pen.font = FONT;
      pen.fillStyle = given(i) ? style.backgroundColor : css(cividis(p));
      pen.fillRect(left, top, wide, BOX);
      pen.strokeStyle = style.getPropertyValue("--edge");
      pen.lineWidth = 1;
      pen.strokeRect(left + 0.5, top + 0.5, wide - 1, BOX - 1);
      pen.fillStyle = given(i) ? ink : inkOn(p);
      pen.fillText(text, middle, top + BOX / 2 + 1);
      if (given(i)) return;
      pen.font = `${surprising(i) ? "bold " : ""}12px system-ui, sans-serif`;
      pen.fillStyle = ink;
      pen.fillText((surprising(i) ? "! " : "") + p.toFixed(2), middle, top + BOX + 9);
    });
    const { left, top, width: wide } = places[get("position")];
    pen.strokeStyle = FOCUS;
    pen.lineWidth = 3;
    pen.strokeRect(left, top, wide, BOX);
    tell();
  };

  const tell = () => {
    const i = get("position"), token = get("tokens")[i], rank = get("ranks")[i], p = chances[i];
    const rows = get("top")[i].map(([text, q], k) =>
      ({ rank: k + 1, text, p: q, chosen: k + 1 === rank && text === token }));
    const known = rows.length > 0;
    if (!given(i) && !rows.some((row) => row.chosen)) {
      rows.push({ rank, text: token, p, chosen: true });
    }
    table.show(known ? "Most probable at this place" : "This place", given(i) ? [] : rows,
      given(i) ? "given: the model was not asked" : "▸ stands in the text");
    say(i);
    const below = places.filter((_, k) => surprising(k)).length;
    const asked = places.filter((_, k) => !given(k)).length;
    count.textContent = `${below} of ${asked} tokens`;
    strip.setAttribute("aria-label", `Strip of ${places.length} tokens. Arrow keys move, bracket ` +
      "keys jump to surprises, Home and End to the ends.");
  };

  const say = (i) => {
    const rank = get("ranks")[i], p = chances[i];
    const bits = p > 0 ? `${Math.abs(Math.log2(p)).toFixed(1)} bits` : "infinite";
    line.textContent = `token ${i + 1} of ${places.length}, "${get("tokens")[i]}": ` + (given(i)
      ? "given, the model was not asked"
      : `probability ${chance(p)}, surprise ${bits}${rank ? `, rank ${rank}` : ""}`);
  };

  const go = (i) => view.set({ position: clamp(i, 0, places.length - 1) });
  const jump = (step) => {
    for (let i = get("position") + step; i >= 0 && i < places.length; i += step) {
      if (surprising(i)) return go(i);
    }
  };
  /** The token of the line above or below whose middle is nearest. */
  const climb = (step) => {
    const here = places[get("position")], middle = (place) => place.left + place.width / 2;
    const there = places.filter((place) => place.top === here.top + step * LINE);
    const far = (place) => Math.abs(middle(place) - middle(here));
    if (there.length) go(places.indexOf(there.reduce((a, b) => (far(b) < far(a) ? b : a))));
  };
  ownKeys(strip, {
    ArrowLeft: () => go(get("position") - 1), ArrowRight: () => go(get("position") + 1),
    ArrowUp: () => climb(-1), ArrowDown: () => climb(1),
    Home: () => go(0), End: () => go(Infinity),
    "[": () => jump(-1), "]": () => jump(1),
  });

  const tokenAt = (event) => places.findIndex(({ left, top, width: wide }) =>
    event.offsetX >= left && event.offsetX < left + wide &&
    event.offsetY >= top && event.offsetY < top + LINE - 4);
  strip.addEventListener("click", (event) => { const i = tokenAt(event); if (i >= 0) go(i); });
  strip.addEventListener("mousemove", (event) => { const i = tokenAt(event); if (i >= 0) say(i); });
  strip.addEventListener("mouseleave", () => say(get("position")));

  const load = () => { chances = fromFloat(get("probabilities")); };
  view.on("change:probabilities", load);
  view.on("change:probabilities change:tokens change:top change:ranks change:position " +
    "change:threshold", paint);
  load();
  paint();
  let seen = el.clientWidth;
  const watch = new ResizeObserver(() => { // other tokens fit in a line
    if (el.clientWidth !== seen) { seen = el.clientWidth; paint(); }
  });
  watch.observe(el);
  painted(el);
  return () => { watch.disconnect(); view.close(); };
}

export default { render };
