// What every view uses; Python puts this text before each view's own.

const CIVIDIS = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56],
];
const OKABE_ITO = [
  "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999",
];
const FOCUS = "#d55e00";

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** The colour of a weight from 0 to 1, as [red, green, blue]. */
function cividis(weight) {
  const place = clamp(weight, 0, 1) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[low].map((c, i) => Math.round(c + (place - low) * (CIVIDIS[low + 1][i] - c)));
}

const css = (rgb) => `rgb(${rgb.join(",")})`;
/** Black or white, whichever reads better on a cividis colour. */
const inkOn = (weight) => (weight < 0.47 ? "#ffffff" : "#000000");

/** The numbers of a float16 buffer that came from Python. */
function fromHalf(view) {
  const numbers = new Float32Array(view.byteLength / 2);
  for (let i = 0; i < numbers.length; i++) {
    const bits = view.getUint16(2 * i, true);
    const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) numbers[i] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) numbers[i] = sign * fraction * 2 ** -24;
    else numbers[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return numbers;
}

/** The numbers of a float32 buffer. */
function fromFloat(view) {
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** A new element with properties, styles, attributes and children. */
function make(tag, { style, attributes, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.style, style);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function isDark() {
  const lab = document.body.dataset.jpThemeLight;
  const colab = document.documentElement.getAttribute("theme");
  if (lab !== undefined) return lab === "false";
  if (colab !== null) return colab === "dark";
  return getComputedStyle(document.documentElement).colorScheme.includes("dark") &&
    matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * Make `el` the root of a view. Gives `on(names, listener)`, `set(state)` for both sides,
 * `close()`, and the controls that are bound to the state. `repaint` runs when the theme changes.
 *
 * Keys that are pressed inside stay inside: in a notebook a plain letter may delete a cell.
 */
function openView(model, el, repaint) {
  const ends = [];
  const on = (names, listener) => {
    model.on(names, listener);
    ends.push(() => model.off(names, listener));
  };
  const set = (state) => {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    model.save_changes();
  };
  const dress = () => {
    el.classList.toggle("tv-dark", isDark());
    repaint();
  };
  el.classList.add("tv-view");
  el.classList.toggle("tv-dark", isDark());
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("label"));
  // Notebooks look for shortcuts from the focused element upwards, so each must carry the mark.
  const mark = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  el.addEventListener("focusin", mark);
  const keepIn = (event) => {
    if (event.key !== "Tab" && event.key !== "Escape") event.stopPropagation();
  };
  el.addEventListener("keydown", keepIn);
  const watch = new MutationObserver(dress), scheme = matchMedia("(prefers-color-scheme: dark)");
  watch.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  watch.observe(document.documentElement, { attributeFilter: ["theme"] });
  scheme.addEventListener("change", dress);
  const show = hidePicture(el);
  ends.push(show, () => watch.disconnect(), () => scheme.removeEventListener("change", dress),
    () => el.removeEventListener("keydown", keepIn),
    () => el.removeEventListener("focusin", mark));

  /** A select: `options` are the shown texts, the state holds the number, or the text itself. */
  const choice = (name, text, options, byText = false) => {
    const select = make("select", {}, ...options.map((shown, i) =>
      make("option", { value: byText ? shown : i, textContent: shown })));
    const read = () => { select.value = model.get(name); };
    select.addEventListener("change", () =>
      set({ [name]: byText ? select.value : Number(select.value) }));
    on(`change:${name}`, read);
    read();
    return make("label", {}, text, select);
  };
  const toggle = (name, text) => {
    const box = make("input", { type: "checkbox" });
    const read = () => { box.checked = model.get(name); };
    box.addEventListener("change", () => set({ [name]: box.checked }));
    on(`change:${name}`, read);
    read();
    return make("label", {}, box, text);
  };
  const slider = (name, text, range) => {
    const input = make("input", { type: "range", ...range }), shown = make("span");
    const read = () => {
      input.value = model.get(name);
      shown.textContent = model.get(name).toFixed(2);
    };
    input.addEventListener("input", () => model.set(name, Number(input.value)));
    input.addEventListener("change", () => model.save_changes());
    on(`change:${name}`, read);
    read();
    return make("label", {}, text, input, shown);
  };
  const close = () => ends.forEach((end) => end());
  return { on, set, close, choice, toggle, slider };
}

// One output of a cell: JupyterLab and Notebook 7, Notebook 6, Colab.
const OUTPUT = ".jp-OutputArea-child, .output_area, .display_data";

/** While a view lives, the picture that was shown just before it is hidden; gives the undoing. */
function hidePicture(el) {
  let picture = null, tries = 0, closed = false;
  const look = () => {
    const before = el.closest(OUTPUT)?.previousElementSibling;
    if (before?.querySelector('img[src^="data:image/png"]')) {
      picture = before;
      picture.style.display = "none";
    } else if (!closed && tries++ < 60) requestAnimationFrame(look); // not in the page yet
  };
  requestAnimationFrame(look);
  return () => {
    closed = true;
    if (picture) picture.style.display = "";
  };
}

/** Give an element keys of its own: `moves` maps a key's name to a function. Tab leaves it. */
function ownKeys(element, moves) {
  element.tabIndex = 0;
  element.addEventListener("keydown", (event) => {
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moves[event.key]();
  });
}

/** A canvas of so many CSS pixels, sharp on any screen; gives its pen. */
function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.ceil(width * ratio);
  canvas.height = Math.ceil(height * ratio);
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return pen;
}

/** A line that is read aloud when its text changes. */
function liveLine() {
  const attributes = { "aria-live": "polite", role: "status" };
  return make("div", { className: "tv-line", attributes });
}

/** A line of notice, empty and gone when there is nothing to say. */
function noticeLine(model) {
  const text = model.get("notice");
  return make("div", { className: "tv-notice", textContent: text, hidden: !text });
}

/** Tell a test or a benchmark that the view has been painted, and when. */
function painted(el) {
  requestAnimationFrame(() => setTimeout(() => { el.dataset.painted = Date.now(); }, 0));
}
