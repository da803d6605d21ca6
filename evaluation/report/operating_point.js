"use strict";

// Rounding as words.py does it, so that the explorer and the report's tables show the same figures.

function fixed(value, digits) {
  const twice = value * 2 ** (digits + 1);
  if (!Number.isInteger(twice) || twice % 2 === 0) return value.toFixed(digits);
  // An exact tie, which toFixed rounds up and Python rounds to the even digit.
  const scaled = value * 10 ** digits;
  const floor = Math.floor(scaled);
  return ((floor % 2 === 0 ? floor : floor + 1) / 10 ** digits).toFixed(digits);
}

function minus(text) {
  return text.replace("-", "−");
}

function thousands(text) {
  return text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

function percent(value) {
  if (value === null) return "undefined";
  if (value >= 0.9995 && value < 1) return ">99.9%";
  if (value > 0 && value < 0.0005) return "<0.1%";
  return minus(fixed(100 * value, 1)) + "%";
}

function decimal(value) {
  if (value === null) return "undefined";
  return value >= 0.9995 && value < 1 ? ">0.999" : minus(fixed(value, 3));
}

function ratio(value) {
  if (value === null) return "undefined";
  if (value === Infinity) return "∞";
  if (value > 0 && value < 0.001) return "<0.001";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  const [whole, part] = fixed(value, digits).split(".");
  return thousands(whole) + (part === undefined ? "" : "." + part);
}

function count(value) {
  if (Number.isInteger(value)) return thousands(String(value));
  const [whole, part] = fixed(value, 1).split(".");
  return thousands(whole) + "." + part;
}

function score(value) {
  if (value === null) return "∞";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e6)) return String(Number(value.toPrecision(6)));
  const [digits, power] = value.toExponential(5).split("e");
  return Number(digits) + "e" + power[0] + power.slice(1).padStart(2, "0");
}

// The numbers at a point, from its four counts.

function wilson(successes, trials, z) {
  if (trials === 0) return null;
  const p = successes / trials;
  const centre = p + (z * z) / (2 * trials);
  const half = z * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials));
  const scale = 1 + (z * z) / trials;
  const low = successes === 0 ? 0 : (centre - half) / scale;
  const high = successes === trials ? 1 : (centre + half) / scale;
  return [Math.max(0, low), Math.min(1, high)];
}

function quotient(numerator, denominator) {
  if (denominator !== 0) return numerator / denominator;
  return numerator > 0 ? Infinity : null;
}

function share(part, whole) {
  return whole === 0 ? null : part / whole;
}

function countsAt(data, index) {
  const tp = data.tp[index], fp = data.fp[index];
  return { tp, fp, fn: rest(data.positives, tp), tn: rest(data.negatives, fp) };
}

function rest(whole, part) {
  // Sums of weights that ought to be equal may differ in their last digits.
  return Math.abs(whole - part) <= 1e-9 * whole ? 0 : whole - part;
}

function proportionsOf({ tp, fp, fn, tn }) {
  return {
    sensitivity: [tp, tp + fn],
    specificity: [tn, tn + fp],
    precision: [tp, tp + fp],
    npv: [tn, tn + fn],
    accuracy: [tp + tn, tp + fp + fn + tn],
  };
}

function ratiosOf({ tp, fp, fn, tn }) {
  const sensitivity = share(tp, tp + fn), specificity = share(tn, tn + fp);
  if (sensitivity === null || specificity === null) return { lr_positive: null, lr_negative: null, youden_j: null };
  return {
    lr_positive: quotient(sensitivity, fp / (fp + tn)),
    lr_negative: quotient(fn / (tp + fn), specificity),
    youden_j: sensitivity + specificity - 1,
  };
}

function predictiveAt(sensitivity, specificity, prevalence) {
  if (sensitivity === null || specificity === null) return { precision: null, npv: null };
  const tp = sensitivity * prevalence, fp = (1 - specificity) * (1 - prevalence);
  const tn = specificity * (1 - prevalence), fn = (1 - sensitivity) * prevalence;
  return { precision: share(tp, tp + fp), npv: share(tn, tn + fn) };
}

// The curve.

const PLOT = { left: 46, top: 12, size: 300 };

function plotX(value) { return PLOT.left + PLOT.size * value; }

function plotY(value) { return PLOT.top + PLOT.size * (1 - value); }

function path(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${plotX(x).toFixed(1)} ${plotY(y).toFixed(1)}`).join("");
}

function drawn(svg, name, attributes, text) {
  const element = document.createElementNS(svg.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  svg.append(element);
  return element;
}

function drawFrame(svg) {
  for (const tick of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
    const label = `${Math.round(100 * tick)}`;
    drawn(svg, "path", { d: path([[tick, 0], [tick, 1]]) + path([[0, tick], [1, tick]]), class: "grid" });
    drawn(svg, "text", { x: plotX(tick), y: plotY(0) + 16, "text-anchor": "middle" }, label);
    drawn(svg, "text", { x: plotX(0) - 7, y: plotY(tick) + 4, "text-anchor": "end" }, label);
  }
  drawn(svg, "text", { x: plotX(0.5), y: plotY(0) + 36, "text-anchor": "middle" }, "1 − specificity (%)");
  const side = { transform: `translate(12 ${plotY(0.5)}) rotate(-90)`, "text-anchor": "middle" };
  drawn(svg, "text", side, "Sensitivity (%)");
  drawn(svg, "path", { d: path([[0, 0], [1, 1]]), class: "chance" });
}

function drawCurve(svg, data) {
  drawFrame(svg);
  const band = data.band;
  if (band) {
    const along = band.false_positive_rate;
    const upper = along.map((x, i) => [x, band.high[i]]), lower = along.map((x, i) => [x, band.low[i]]).reverse();
    drawn(svg, "path", { d: path([...upper, ...lower]) + "Z", class: "band" });
  }
  drawn(svg, "path", { d: path(data.tp.map((tp, i) => [data.fp[i] / data.negatives, tp / data.positives])), class: "curve" });
  for (const reader of data.readers) drawReader(svg, reader);
  if (data.start !== null) {
    const x = plotX(data.fp[data.start] / data.negatives), y = plotY(data.tp[data.start] / data.positives);
    const mark = drawn(svg, "rect", { x: x - 6, y: y - 6, width: 12, height: 12, class: "report" });
    mark.setAttribute("transform", `rotate(45 ${x} ${y})`);
  }
  return drawn(svg, "circle", { r: 6, class: "point" });
}

function drawReader(svg, reader) {
  const group = drawn(svg, "g", { class: "reader" });
  const { x, y } = reader;
  if (reader.x_low !== null) drawn(group, "path", { d: path([[reader.x_low, y], [reader.x_high, y]]) });
  if (reader.y_low !== null) drawn(group, "path", { d: path([[x, reader.y_low], [x, reader.y_high]]) });
  drawn(group, "circle", { cx: plotX(x), cy: plotY(y), r: 3.2 });
  drawn(group, "title", {}, reader.name);
}

// One explorer on the page.

class Explorer {
  constructor(root) {
    this.root = root;
    this.data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    this.last = this.data.tp.length - 1;
    this.index = this.data.start;
    this.prevalence = this.data.prevalence;
    this.slider = root.querySelector(".threshold-slider");
    this.field = root.querySelector(".threshold-field");
    this.prevalenceSlider = root.querySelector(".prevalence-slider");
    this.prevalenceField = root.querySelector(".prevalence-field");
    this.slider.max = String(this.last);
    this.point = drawCurve(root.querySelector("svg.curve-plot"), this.data);
    this.listen();
    root.hidden = false;
    this.show(true);
  }

  listen() {
    this.slider.addEventListener("input", () => this.moveTo(this.last - Number(this.slider.value)));
    this.field.addEventListener("change", () => this.moveTo(this.indexAtOrAbove(this.field.valueAsNumber)));
    this.prevalenceSlider.addEventListener("input", () => this.setPrevalence(this.prevalenceSlider.valueAsNumber / 100));
    this.prevalenceField.addEventListener("change", () => this.setPrevalence(this.prevalenceField.valueAsNumber / 100));
    this.root.querySelector(".reset").addEventListener("click", () => {
      this.prevalence = this.data.prevalence;
      this.moveTo(this.data.start);
    });
  }

  indexAtOrAbove(threshold) {
    if (Number.isNaN(threshold)) return this.index;
    const below = this.data.threshold.findIndex((one) => one !== null && one < threshold);
    return below === -1 ? this.last : Math.max(0, below - 1);
  }

  moveTo(index) {
    this.index = index;
    this.show(false);
  }

  setPrevalence(prevalence) {
    if (!Number.isNaN(prevalence)) this.prevalence = Math.min(0.9999, Math.max(0.0001, prevalence));
    this.show(false);
  }

  show(first) {
    const counts = countsAt(this.data, this.index);
    for (const [name, value] of Object.entries(counts)) this.write(name, count(value));
    const shares = this.showProportions(counts);
    const { youden_j, lr_positive, lr_negative } = ratiosOf(counts);
    this.write("youden_j", decimal(youden_j));
    this.write("lr_positive", ratio(lr_positive));
    this.write("lr_negative", ratio(lr_negative));
    const at = predictiveAt(shares.sensitivity, shares.specificity, this.prevalence);
    this.write("precision_at_prevalence", percent(at.precision));
    this.write("npv_at_prevalence", percent(at.npv));
    this.write("prevalence", percent(this.prevalence));
    this.write("threshold", score(this.data.threshold[this.index]));
    this.showControls(shares);
    this.point.setAttribute("cx", plotX(counts.fp / this.data.negatives));
    this.point.setAttribute("cy", plotY(counts.tp / this.data.positives));
    this.showThousand(shares);
    if (!first) this.announce(shares);
  }

  showProportions(counts) {
    const shares = {};
    for (const [name, [part, whole]] of Object.entries(proportionsOf(counts))) {
      shares[name] = share(part, whole);
      this.write(name, percent(shares[name]));
      this.write(name + "-counts", `${count(part)} of ${count(whole)}`);
      const limits = this.data.z === null ? null : wilson(part, whole, this.data.z);
      this.write(name + "-interval", limits ? `${percent(limits[0]).replace("%", "")} to ${percent(limits[1])}` : "");
    }
    return shares;
  }

  showControls(shares) {
    const threshold = this.data.threshold[this.index];
    const said = `threshold ${score(threshold)}, sensitivity ${percent(shares.sensitivity)}, ` +
      `specificity ${percent(shares.specificity)}`;
    this.slider.value = String(this.last - this.index);
    this.slider.setAttribute("aria-valuetext", said);
    this.field.value = threshold === null ? "" : score(threshold);
    this.prevalenceSlider.value = String(100 * this.prevalence);
    this.prevalenceSlider.setAttribute("aria-valuetext", `prevalence ${percent(this.prevalence)}`);
    this.prevalenceField.value = String(Number((100 * this.prevalence).toPrecision(4)));
    const atStart = this.index === this.data.start && this.prevalence === this.data.prevalence;
    this.root.classList.toggle("at-report", atStart);
  }

  showThousand(shares) {
    const ill = Math.round(1000 * this.prevalence), well = 1000 - ill;
    const found = Math.round(ill * shares.sensitivity), alarms = Math.round(well * (1 - shares.specificity));
    const name = this.data.positive;
    this.write("thousand", `Of 1,000 examples at a prevalence of ${percent(this.prevalence)}, about ${count(ill)} truly ` +
      `are ${name}: ${count(found)} of them found, ${count(ill - found)} missed. Of the other ${count(well)}, ` +
      `${count(alarms)} would be called ${name} by false alarm.`);
  }

  announce(shares) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.write("live", `Threshold ${score(this.data.threshold[this.index])}: sensitivity ` +
        `${percent(shares.sensitivity)}, specificity ${percent(shares.specificity)}.`);
    }, 500);
  }

  write(name, text) {
    for (const output of this.root.querySelectorAll(`[data-out="${name}"]`)) output.textContent = text;
  }
}

for (const root of document.querySelectorAll(".explorer")) new Explorer(root);
