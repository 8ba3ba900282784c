// The masked-LM playground: tokens that can be masked, the model's fillers for the focused one.

const TOP = 20, STOPS = 30; // as in Python: words a row, temperatures 0.1, 0.2 ... 3.0
const BAR = 260; // pixels of a probability of 1

function render({ model, el }) {
  const get = (name) => model.get(name);
  let rows = new Map(), waiting = false;
  const view = openView(model, el, () => paint());
  const sentence = make("input", { type: "text", size: 48, maxLength: 2000, spellcheck: false });
  const count = make("input", { type: "number", min: 1, max: TOP, style: { width: "3.5em" } });
  const row = make("div", {
    attributes: {
      role: "application", "aria-roledescription": "sentence",
      "aria-label": "Tokens. Arrow keys move, Enter masks and unmasks, bracket keys go from mask " +
        "to mask, Page keys change the number of fillers.",
    },
    style: { display: "flex", flexWrap: "wrap", gap: "6px", padding: "6px 4px" },
  });
  const table = make("table", { style: { marginTop: "4px", fontVariantNumeric: "tabular-nums" } });
  const line = liveLine(), notice = noticeLine(model);
  el.replaceChildren(
    make("div", { className: "tv-bar" }, make("label", {}, "sentence", sentence),
      view.slider("temperature", "temperature", { min: 0.1, max: STOPS / 10, step: 0.1 }),
      make("label", {}, "fillers", count)),
    notice, row, line, table,
    make("div", {
      className: "tv-hint",
      style: { marginTop: "6px" },
      textContent: "Click, Enter or space: mask · arrow keys: move · [ ] from mask to mask · " +
        "Page keys: more or fewer fillers · Tab leaves. Type a sentence and press Enter.",
    }),
  );

  const load = () => {
    const numbers = fromFloat(get("numbers")), words = get("words");
    let start = 0;
    rows = new Map(get("known").map((key, i) => {
      const top = words[i].length, sums = start + top, own = sums + STOPS;
      const found = { words: words[i], logits: numbers.subarray(start, sums),
        sums: numbers.subarray(sums, own), own: numbers[own], rank: numbers[own + 1] };
      start = own + 2;
      return [key, found];
    }));
  };
  const inOrder = (places) => [...places].sort((a, b) => a - b);
  const found = (masked, place) => rows.get(`${inOrder(masked)}|${place}`);
  /** softmax(logits / T) over the whole vocabulary: the sum came from Python for each T. */
  const chance = (known, logit) => {
    const T = get("temperature");
    return Math.exp(logit / T - known.sums[Math.round(10 * T) - 1]);
  };
  const shown = (p) => (p < 0.0005 ? "<0.001" : p.toFixed(3));

  const paint = () => {
    const masked = get("masked"), place = get("position");
    row.replaceChildren(...get("tokens").map((token, i) => box(token, i, masked.includes(i))));
    count.value = get("k");
    paintTable(found(masked, place));
    line.textContent = waiting ? "waiting for the model; a kernel must be running" : say();
  };

  const box = (token, i, hidden) => {
    const fixed = get("fixed").includes(i);
    const beneath = hidden && !get("typed").includes(i) ? token : "";
    const face = make("span", {
      textContent: hidden ? get("mask_token") : token,
      style: {
        padding: "3px 7px", borderRadius: "4px", whiteSpace: "pre",
        border: `1px ${fixed ? "dashed" : "solid"} var(--edge)`,
        background: hidden ? "var(--ink)" : "var(--ground)",
        color: hidden ? "var(--ground)" : fixed ? "var(--soft)" : "var(--ink)",
        outline: i === get("position") ? `3px solid ${FOCUS}` : "none",
      },
    });
    const under = make("span", { className: "tv-hint", textContent: beneath,
      style: { minHeight: "1.4em" } });
    const whole = make("span", { style: {
      display: "inline-flex", flexDirection: "column", alignItems: "center", gap: "3px",
      cursor: fixed ? "default" : "pointer", userSelect: "none",
    } }, face, under);
    whole.dataset.place = i;
    return whole;
  };

  const paintTable = (known) => {
    const cell = (text, style = {}) => make("td", { textContent: text, style });
    const bar = (p) => make("td", {}, make("div", { style: {
      width: `${p * BAR}px`, height: "12px", background: css(cividis(p)), boxSizing: "border-box",
      border: "1px solid var(--edge)",
    } }));
    const line = (number, word, p) => make("tr", {}, cell(number, { color: "var(--soft)" }),
      cell(word, { whiteSpace: "pre", minWidth: "7em" }), cell(shown(p)), bar(p));
    const k = Math.min(get("k"), known?.words.length ?? 0);
    const chances = Array.from({ length: k }, (_, i) => chance(known, known.logits[i]));
    const others = get("vocabulary") - k;
    const rest = Math.max(0, 1 - chances.reduce((sum, p) => sum + p, 0));
    table.replaceChildren(
      make("thead", {}, make("tr", {}, ...["", "filler", "probability", ""].map((name) =>
        make(name ? "th" : "td", name ? { textContent: name, scope: "col" } : {})))),
      make("tbody", {}, ...chances.map((p, i) => line(i + 1, known.words[i], p)),
        ...(known && others ? [line("", `${others.toLocaleString("en")} others`, rest)] : [])),
    );
  };

  const say = () => {
    const masked = get("masked"), place = get("position"), token = get("tokens")[place];
    const known = found(masked, place);
    if (!known) return `position ${place}, "${token}": no numbers; a kernel must be running`;
    const guess = `"${known.words[0]}" ${shown(chance(known, known.logits[0]))}`;
    const standing = (row) => `number ${row.rank} with ${shown(chance(row, row.own))}`;
    if (get("fixed").includes(place)) return `position ${place}, "${token}": it cannot be masked`;
    if (get("typed").includes(place)) return `position ${place}, masked: best guess ${guess}`;
    if (masked.includes(place)) {
      return `position ${place}, masked: best guess ${guess}; "${token}" is ${standing(known)}`;
    }
    const alone = found([...masked, place], place);
    return `position ${place}, "${token}", which the model reads: it is ${standing(known)} here` +
      (alone ? `; masked it would be ${standing(alone)}` : "");
  };

  const go = (place) => {
    waiting = false;
    view.set({ position: clamp(place, 0, get("tokens").length - 1) });
  };
  const turn = (step) => {
    const masks = get("masked"), place = get("position");
    const next = step > 0 ? masks.find((i) => i > place) : masks.findLast((i) => i < place);
    if (masks.length) go(next ?? masks.at(step > 0 ? 0 : -1));
  };
  const size = (k) => view.set({ k: clamp(k, 1, Math.min(TOP, get("vocabulary"))) });
  const ask = (wish) => {
    waiting = true;
    view.set({ wish });
    paint();
  };
  const flip = (place) => {
    go(place);
    if (get("fixed").includes(place) || get("typed").includes(place)) return;
    const was = get("masked");
    const masked = was.includes(place) ? was.filter((i) => i !== place) : inOrder([...was, place]);
    if (masked.every((i) => found(masked, i))) view.set({ masked });
    else ask({ masked });
  };
  const here = () => flip(get("position"));
  ownKeys(row, {
    ArrowLeft: () => go(get("position") - 1), ArrowRight: () => go(get("position") + 1),
    ArrowUp: () => beside(-1), ArrowDown: () => beside(1),
    Home: () => go(0), End: () => go(Infinity), Enter: here, " ": here,
    "[": () => turn(-1), "]": () => turn(1),
    PageUp: () => size(get("k") + 1), PageDown: () => size(get("k") - 1),
  });
  /** The nearest token of the line above or below. */
  const beside = (step) => {
    const boxes = [...row.children].map((child) => child.getBoundingClientRect());
    const at = boxes[get("position")], middle = (at.left + at.right) / 2;
    const lines = [...new Set(boxes.map((b) => Math.round(b.top)))];
    const wanted = lines[lines.indexOf(Math.round(at.top)) + step];
    const far = (b) => Math.abs((b.left + b.right) / 2 - middle);
    const line = boxes.filter((b) => Math.round(b.top) === wanted);
    if (line.length) go(boxes.indexOf(line.reduce((a, b) => (far(b) < far(a) ? b : a))));
  };
  row.addEventListener("click", (event) => {
    const place = event.target.closest("[data-place]")?.dataset.place;
    if (place !== undefined) flip(Number(place));
  });
  sentence.addEventListener("change", () => ask({ text: sentence.value }));
  count.addEventListener("change", () => size(Math.round(Number(count.value)) || 1));

  const answered = () => {
    if (Object.keys(get("wish")).length) return;
    waiting = false;
    paint();
  };
  view.on("change:numbers change:known change:words", () => { load(); paint(); });
  view.on("change:wish", answered);
  view.on("change:text", () => { sentence.value = get("text"); });
  view.on("change:notice", () => {
    notice.textContent = get("notice");
    notice.hidden = !get("notice");
  });
  view.on("change:masked change:position change:temperature change:k change:tokens", () => paint());
  sentence.value = get("text");
  load();
  paint();
  painted(el);
  return view.close;
}

export default { render };
