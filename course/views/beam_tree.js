// The beam tree: a column a round, a box a candidate, an edge from its parent.

const FONT = "12px system-ui, sans-serif";
const ROW = 32, BOX = 24, TOP = 30, GAP = 46, EDGE = 12, RIM = 14; // pixels
const BLOCKED = -1e8;

function render({ model, el }) {
  let trees = [], boxes = [], switchBox = null; // boxes[-1] is the prompt's
  let total = [0, 0], ready = false; // width and height of the whole tree
  const get = (name) => model.get(name);
  const view = openView(model, el, () => { if (ready) paint(); });
  const canvas = make("canvas", {
    style: { position: "sticky", left: "0" }, attributes: { role: "application" },
  });
  const space = make("div", {}, canvas);
  const scroller = make("div", { style: { overflowX: "auto" } }, space);
  const bar = make("div", { className: "tv-bar" }), line = liveLine(), notice = noticeLine(model);
  line.style.minHeight = "3em"; // two lines, so that nothing jumps
  const hint = make("div", {
    className: "tv-hint",
    textContent: "Arrows: parent, best child, neighbours · [ ] final beams · Home prompt · " +
      "click · Tab leaves. Filled boxes were kept, dashed ones pruned; each says token and sum. " +
      "Dark is an unlikely token, yellow a likely one; thick is the way to the best beam.",
  });
  el.replaceChildren(bar, notice, scroller, line, hint);

  const two = () => trees.length > 1;
  const tree = () => trees[two() && get("processed") ? 1 : 0];
  const at = () => Math.min(get("node"), tree().nodes.length - 1);
  const raw = () => get("scores") === "raw";
  const sum = (node) => (raw() ? node.rawSum : node.sum);
  /** Best sum first; equal ones, and those that are blocked, in Python's order. */
  const ordered = (nodes) =>
    [...nodes].sort((a, b) => (sum(b) > sum(a)) - (sum(b) < sum(a)) || a.number - b.number);

  const read = () => {
    const all = fromFloat(get("numbers"));
    let i = 0;
    trees = get("searches").map((search) => ({ ...search, nodes: search.nodes.map((node, number) =>
      ({ ...node, number, score: all[i++], sum: all[i++], raw: all[i++], rawSum: all[i++] })) }));
    buildBar();
    paint();
  };

  const buildBar = () => {
    const box = make("input", { type: "checkbox", checked: get("processed") });
    box.addEventListener("change", () => {
      const beam = Math.min(get("beam"), trees[box.checked ? 1 : 0].beams.length - 1);
      view.set({ node: tree().nodes[at()]?.twin ?? -1, beam, processed: box.checked });
    });
    switchBox = box;
    const changed = trees.some((t) => t.nodes.some(differs));
    const count = tree().beams.length;
    const names = Array.from({ length: count }, (_, i) => (i ? String(i + 1) : "1 (best)"));
    bar.replaceChildren(
      ...(two() ? [make("label", {}, box, "score processors on")] : []),
      ...(changed ? [view.choice("scores", "scores", ["processed", "raw"], true)] : []),
      ...(count > 1 ? [view.choice("beam", "marked beam", names)] : []),
    );
    canvas.setAttribute("aria-label", `Tree of a beam search, ${tree().rounds} rounds, ` +
      `${count} beams. Left: parent, right: best child, up and down: neighbours, ` +
      "brackets: final beams, Home: prompt.");
  };

  /** Where everything stands: a column as wide as its widest box, centred from top to bottom. */
  const layout = (pen) => {
    pen.font = FONT;
    const { nodes, rounds } = tree();
    const prompt = short(get("prompt"), true);
    const columns = Array.from({ length: rounds }, (_, r) =>
      ordered(nodes.filter((node) => node.round === r)));
    const tallest = Math.max(...columns.map((column) => column.length));
    const height = TOP + tallest * ROW + 4, middle = TOP + (tallest * ROW) / 2;
    const first = pen.measureText(prompt).width + 18;
    let x = EDGE + first + GAP;
    boxes = [];
    boxes[-1] = { x: EDGE, y: middle, width: first, text: prompt };
    const heads = columns.map((column) => {
      const texts = column.map((node) => boxText(nodes, node));
      const width = Math.max(44, ...texts.map((text) => pen.measureText(text).width)) + 18;
      column.forEach((node, i) => {
        const y = middle + (i - (column.length - 1) / 2) * ROW;
        boxes[node.number] = { x, y, width, text: texts[i] };
      });
      x += width + GAP;
      return x - GAP - width / 2;
    });
    total = [x + RIM, height];
    return heads;
  };

  const boxText = (nodes, node) => {
    const above = node.parent < 0 ? 0 : nodes[node.parent].sum;
    const before = !raw() && differs(node) ? ` (${(above + node.raw).toFixed(2)})` : "";
    return `${short(node.text)}  ${shown(sum(node))}${before}`;
  };

  /** Only what can be seen is painted: the canvas stands still, the tree moves below it. */
  const paint = () => {
    const heads = layout(canvas.getContext("2d"));
    Object.assign(space.style, { width: `${total[0]}px`, height: `${total[1]}px` });
    const pen = sized(canvas, Math.min(total[0], scroller.clientWidth || total[0]), total[1]);
    const style = getComputedStyle(el), colour = (name) => style.getPropertyValue(name).trim();
    const look = { ink: colour("--ink"), ground: colour("--ground"), soft: colour("--soft"),
      edge: colour("--edge"), way: isDark() ? "#56b4e9" : "#0072b2" };
    Object.assign(pen, { font: FONT, textBaseline: "middle", textAlign: "center" });
    pen.translate(-scroller.scrollLeft, 0);
    pen.fillStyle = look.soft;
    heads.forEach((x, i) => pen.fillText(`round ${i + 1}`, x, 12));
    paintEdges(pen, look);
    paintBox(pen, look, -1, { kept: true, beams: [0] }, 0);
    for (const node of tree().nodes) {
      paintBox(pen, look, node.number, node, Math.exp(raw() ? node.raw : node.score));
    }
    paintRanks(pen, look);
    say();
  };

  const paintEdges = (pen, look) => {
    const marked = get("beam");
    const draw = (those, strokeStyle, lineWidth, dash) => {
      Object.assign(pen, { strokeStyle, lineWidth });
      pen.setLineDash(dash);
      for (const node of tree().nodes.filter(those)) {
        const { x, y, width } = boxes[node.parent], to = boxes[node.number], start = x + width;
        pen.beginPath();
        pen.moveTo(start, y);
        pen.bezierCurveTo(start + GAP / 2, y, to.x - GAP / 2, to.y, to.x, to.y);
        pen.stroke();
      }
    };
    draw((node) => !node.kept, look.edge, 1, [2, 3]);
    draw((node) => node.kept, look.edge, 1.5, []);
    draw((node) => node.beams.includes(0), look.way, 4, []);
    if (marked) draw((node) => node.beams.includes(marked), look.ink, 2.5, [7, 4]);
  };

  const paintBox = (pen, look, number, node, chance) => {
    const { x, y, width, text } = boxes[number], root = number < 0;
    const best = node.beams.includes(0);
    const outline = (out, lineWidth, strokeStyle) => {
      Object.assign(pen, { lineWidth, strokeStyle });
      pen.beginPath();
      pen.roundRect(x - out, y - BOX / 2 - out, width + 2 * out, BOX + 2 * out, 6 + out);
    };
    outline(0, best ? 2.5 : 1, best ? look.way : look.edge);
    pen.fillStyle = node.kept && !root ? css(cividis(chance)) : look.ground;
    pen.fill();
    pen.setLineDash(node.kept ? [] : [4, 3]);
    pen.stroke();
    pen.setLineDash([]);
    outline(3, 3, FOCUS);
    if (number === at()) pen.stroke();
    pen.fillStyle = root ? look.ink : node.kept ? inkOn(chance) : look.soft;
    pen.fillText(text, x + width / 2, y + 0.5);
  };

  const paintRanks = (pen, look) => {
    Object.assign(pen, { fillStyle: look.ink, textAlign: "left" });
    tree().beams.forEach((end, rank) => {
      const { x, y, width } = boxes[end];
      pen.font = rank === get("beam") ? `bold ${FONT}` : FONT;
      pen.fillText(`beam ${rank + 1}`, x + width + 7, y + 0.5);
    });
  };

  const say = (number = at()) => {
    const { nodes } = tree(), node = nodes[number];
    if (!node) {
      const ways = nodes.filter((child) => child.parent < 0).length;
      line.textContent = `the prompt: "${get("prompt")}", ${ways} candidates shown after it`;
      return;
    }
    const after = node.parent < 0 ? get("prompt") : nodes[node.parent].whole;
    const [own, other] = raw() ? [node.raw, node.score] : [node.score, node.raw];
    const aside = differs(node)
      ? ` (${raw() ? "after" : "before"} the processors ${shown(other)})` : "";
    const ways = node.beams.map((rank) => rank + 1).join(", ");
    const beams = node.beams.length > 1 ? "beams" : "beam";
    line.textContent = `round ${node.round + 1}: "${node.text}" after "${after}": ` +
      (own <= BLOCKED ? "" : "log-probability ") + `${shown(own)}${aside}, ` +
      (sum(node) <= BLOCKED ? "" : `sum ${shown(sum(node))}, `) +
      (node.kept ? "kept" : "pruned") +
      (ways && `, on the way to ${beams} ${ways}`);
  };

  const go = (node) => view.set({ node });
  const toParent = () => go(at() < 0 ? -1 : tree().nodes[at()].parent);
  const toChild = () => {
    const [best] = ordered(tree().nodes.filter((node) => node.parent === at()));
    if (best) go(best.number);
  };
  const beside = (step) => {
    const { nodes } = tree(), here = nodes[at()];
    if (!here) return;
    const column = ordered(nodes.filter((node) => node.round === here.round));
    go(column[clamp(column.indexOf(here) + step, 0, column.length - 1)].number);
  };
  /** To the end of the marked beam; from there to the end of the next one. */
  const walk = (step) => {
    const { beams } = tree(), marked = get("beam");
    const beam = at() === beams[marked] ? clamp(marked + step, 0, beams.length - 1) : marked;
    view.set({ beam, node: beams[beam] });
  };
  ownKeys(canvas, {
    ArrowLeft: toParent, ArrowRight: toChild,
    ArrowUp: () => beside(-1), ArrowDown: () => beside(1),
    "[": () => walk(-1), "]": () => walk(1), Home: () => go(-1),
  });

  const boxAt = (event) => {
    const x = event.offsetX + scroller.scrollLeft, y = event.offsetY;
    const inside = (box) => x >= box.x && x <= box.x + box.width && Math.abs(y - box.y) <= ROW / 2;
    return Object.keys(boxes).map(Number).find((number) => inside(boxes[number]));
  };
  canvas.addEventListener("click", (event) => {
    const number = boxAt(event);
    if (number !== undefined) go(number);
  });
  canvas.addEventListener("mousemove", (event) => {
    const number = boxAt(event);
    canvas.style.cursor = number === undefined ? "" : "pointer";
    say(number ?? at());
  });
  canvas.addEventListener("mouseleave", () => say());

  /** Bring the focused box into what can be seen. */
  const reveal = () => {
    paint();
    const { x, width } = boxes[at()], right = x + width + GAP + RIM - scroller.clientWidth;
    if (x - EDGE < scroller.scrollLeft) scroller.scrollLeft = x - EDGE;
    else if (right > scroller.scrollLeft) scroller.scrollLeft = right;
  };
  scroller.addEventListener("scroll", () => paint());
  const grown = new ResizeObserver(() => paint());
  view.on("change:node", reveal);
  view.on("change:processed change:scores change:beam", () => {
    switchBox.checked = get("processed");
    paint();
  });
  view.on("change:searches change:numbers change:prompt", read);
  read();
  ready = true;
  grown.observe(scroller);
  painted(el);
  return () => { grown.disconnect(); view.close(); };
}

/** Whether the processors changed what a token adds. */
const differs = (node) => Math.abs(node.raw - node.score) > 5e-3;

const shown = (score) => (score <= BLOCKED ? "blocked" : score.toFixed(2));

function short(text, end = false) {
  if (text.length <= 16) return text;
  return end ? `…${text.slice(-16).replace(/^\S* /, "")}` : `${text.slice(0, 15)}…`;
}

export default { render };
