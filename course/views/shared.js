// What every view uses; Python puts this text before each view's own.

const CIVIDIS = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56],
];

/** The colour of a weight from 0 to 1, as [red, green, blue]. */
function cividis(weight) {
  const place = Math.max(0, Math.min(1, weight)) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[low].map((c, i) => Math.round(c + (place - low) * (CIVIDIS[low + 1][i] - c)));
}

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

/** A new element with properties, styles, attributes and children. */
function make(tag, { style, attributes, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.style, style);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Give an element keys of its own. `moves` maps a key's name to a function; such keys do their
 * work and go no further. Tab and Escape leave as ever; nothing else reaches the notebook, where
 * a plain letter may delete a cell.
 */
function ownKeys(element, moves) {
  element.tabIndex = 0;
  element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.addEventListener("keydown", (event) => {
    if (event.key === "Tab" || event.key === "Escape") return;
    const runs = event.key === "Enter" && (event.shiftKey || event.ctrlKey);
    if (runs) return;
    event.stopPropagation();
    if (moves[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      moves[event.key]();
    }
  });
}

/** A line that is read aloud when its text changes. */
function liveLine() {
  return make("div", {
    style: { font: "13px ui-monospace, monospace", minHeight: "1.5em", marginTop: "6px" },
    attributes: { "aria-live": "polite", role: "status" },
  });
}
