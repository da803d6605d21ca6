"use strict";
const settings = JSON.parse(document.getElementById("settings").textContent);
const {names, topK, threshold, explains, size, resize, maxBytes, mostFiles} = settings;
const list = document.getElementById("list"), results = document.getElementById("results");
const drop = document.getElementById("drop"), chooser = document.getElementById("files");
const SMALL = 100, TRIES = 60;

function percent(value) {
  if (value >= 0.9995 && value < 1) return ">99.9%";
  if (value > 0 && value < 0.0005) return "<0.1%";
  return `${(100 * value).toFixed(1)}%`;
}

function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3)).toLocaleString("en")} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function element(tag, kind, text) {
  const made = document.createElement(tag);
  made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function announce(text) { document.getElementById("status").textContent = text; }

/* A line for all readers; empty takes it away. */
function notice(text) {
  const line = document.getElementById("notice");
  line.textContent = text;
  line.hidden = !text;
  if (text) announce(text);
}

/* One image: its card, its place in the queue, its answer. */
class Card {
  constructor(file, name) {
    this.file = file;
    this.name = name;
    this.root = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.part(".name").textContent = name;
    this.part(".remove").setAttribute("aria-label", `Remove ${name}`);
    this.part(".remove").addEventListener("click", () => this.remove());
    this.part("select").addEventListener("change", (event) => this.explain(Number(event.target.value)));
    this.part("label").hidden = !explains;
    this.say("Waiting …");
  }

  part(selector) { return this.root.querySelector(selector); }

  say(text) {
    this.part(".state").textContent = text;
    this.part(".state").hidden = !text;
  }

  busy(is) { this.root.setAttribute("aria-busy", String(is)); }

  refuse(text) {
    this.busy(false);
    this.root.classList.add("refused");
    this.say(text);
    announce(`${this.name}: ${text}`);
  }

  remove() {
    this.removed = true;
    if (this.address) URL.revokeObjectURL(this.address);
    this.root.remove();
    results.hidden = list.childElementCount === 0;
  }

  async run() {
    if (this.removed) return;
    if (this.file.size > maxBytes) {
      this.refuse(`The file is too large: ${megabytes(this.file.size)}, and at most ${megabytes(maxBytes)} are taken here.`);
      return;
    }
    this.say("The network looks at it …");
    try {
      this.show(await ask(this.file));
    } catch (error) {
      this.refuse(error.message);
    }
  }

  show(answer) {
    this.busy(false);
    this.say("");
    const score = answer.scores[answer.decided];
    this.part(".decided").textContent = names[answer.decided];
    this.part(".share").textContent = percent(score);
    this.part(".rule").textContent = rule(answer.scores);
    this.showBars(answer);
    this.showPictures(answer);
    this.part(".time").textContent = times(answer.milliseconds);
    this.part(".found").hidden = false;
    announce(`${this.name}: ${names[answer.decided]}, ${percent(score)}`);
  }

  showBars(answer) {
    const order = answer.scores.map((_, index) => index).sort((a, b) => answer.scores[b] - answer.scores[a]);
    const shown = order.slice(0, topK);
    this.part(".bars tbody").replaceChildren(...shown.map((index) => bar(answer, index)));
    const rest = order.slice(topK).reduce((sum, index) => sum + answer.scores[index], 0);
    const left = names.length - shown.length;
    this.part(".others").textContent = left ? `${left} other ${left === 1 ? "class" : "classes"}: ${percent(rest)} together` : "";
    this.part("select").replaceChildren(...order.map((index) => new Option(names[index], index)));
  }

  showPictures(answer) {
    this.input = answer.input;
    const yours = this.part(".yours img"), {width, height, format} = answer.file;
    fit(this.part(".fit"), width, height);
    frame(this.part(".seen"), width, height);
    yours.addEventListener("error", () => {
      const words = `This browser cannot show ${format} files; the network can read them.`;
      this.part(".fit").replaceWith(element("p", "absent", words));
    });
    this.address = URL.createObjectURL(this.file);
    yours.src = this.address;
    const facts = `${format}, ${width.toLocaleString("en")}×${height.toLocaleString("en")}, ${megabytes(this.file.size)}`;
    this.part(".yours .facts").textContent = facts;
    this.part(".input img").src = answer.input;
    this.part(".input .facts").textContent = [`${size[1]}×${size[0]} pixels.`, answer.note].join(" ");
    const small = Math.max(...size) < SMALL;
    for (const image of this.root.querySelectorAll(".input img, .heat img")) image.classList.toggle("small", small);
    yours.classList.toggle("small", Math.max(width, height) < SMALL);
    this.showHeat(answer);
  }

  showHeat(answer) {
    const image = this.part(".heat img"), absent = this.part(".heat .absent");
    image.hidden = !answer.overlay;
    absent.hidden = !answer.heat;
    absent.textContent = answer.heat;
    if (answer.overlay) image.src = answer.overlay;
    else image.removeAttribute("src");
    image.alt = `Evidence for ${names[answer.explained]}, as heat over the image.`;
    this.part("select").value = String(answer.explained);
  }

  /* The network's own input is a picture without loss: sent again, it gives the same scores. */
  async explain(index) {
    this.busy(true);
    try {
      const bytes = Uint8Array.from(atob(this.input.split(",")[1]), (character) => character.charCodeAt(0));
      const answer = await ask(new Blob([bytes]), index);
      if (Number(this.part("select").value) === index) {
        this.showHeat(answer);
        announce(`${this.name}: evidence for ${names[index]} ${answer.overlay ? "is shown" : `is not shown. ${answer.heat}`}`);
      }
    } catch (error) {
      this.say(error.message);
    }
    this.busy(false);
  }
}

/* Why this class, where a threshold decides. */
function rule(scores) {
  if (names.length !== 2) return "";
  if (threshold === null) return `Nothing is called ${names[1]} at this run's operating point.`;
  const [sign, word] = scores[1] >= threshold ? ["≥", "reaches"] : ["<", "stays below"];
  return `The score of ${names[1]} ${word} the operating point: ${precise(scores[1], threshold)} ${sign} ${precise(threshold, scores[1])}.`;
}

/* Four digits, and more where the other number is that near. */
function precise(value, other) {
  let digits = 4;
  const same = () => Number(value.toPrecision(digits)) === Number(other.toPrecision(digits));
  while (value !== other && digits < 17 && same()) digits += 1;
  return String(Number(value.toPrecision(digits)));
}

function times({decode, predict, explain}) {
  const explained = explains ? `, explained in ${explain.toFixed(0)} ms` : "";
  return `Decoded in ${decode.toFixed(0)} ms, scored in ${predict.toFixed(0)} ms${explained}.`;
}

function bar(answer, index) {
  const row = element("tr", index === answer.decided ? "decided-row" : "");
  const score = answer.scores[index], track = element("span", "track"), fill = element("span", "fill");
  const name = element("th", "", names[index]), number = element("td", "number", percent(score)), cell = element("td", "bar");
  name.scope = "row";
  number.title = String(score);
  fill.style.width = `${100 * score}%`;
  track.append(fill);
  if (names.length === 2 && index === 1 && threshold !== null) {
    const mark = element("span", "mark");
    mark.style.left = `${100 * Math.min(1, Math.max(0, threshold))}%`;
    mark.title = `operating point: ${precise(threshold, score)}`;
    track.append(mark);
  }
  cell.append(track);
  row.append(name, number, cell);
  return row;
}

/* A box of the image's proportions, as large as fits into a square. */
function fit(box, width, height) {
  box.style.width = `${100 * Math.min(1, width / height)}%`;
  box.style.aspectRatio = `${width} / ${height}`;
}

/* The part of the image that cropping keeps. */
function frame(box, width, height) {
  if (resize !== "crop") return;
  const scale = Math.max(size[1] / width, size[0] / height);
  const across = size[1] / (scale * width), down = size[0] / (scale * height);
  if (across > 0.99 && down > 0.99) return;
  box.style.inset = `${50 * (1 - down)}% ${50 * (1 - across)}%`;
  box.hidden = false;
}

/* Sends one image; an error's message is for the reader. While too many are waiting it tries again. */
async function ask(body, classIndex) {
  const address = classIndex === undefined ? "/predict" : `/predict?class_index=${classIndex}`;
  for (let tries = 0; ; tries += 1) {
    let response;
    try {
      response = await fetch(address, {method: "POST", body, headers: {"Content-Type": "application/octet-stream"}});
    } catch {
      throw new Error("It could not be sent. The file can no longer be read (or is a folder), or the demo has ended.");
    }
    if (response.status === 503 && tries < TRIES) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    const answer = await response.json().catch(() => ({error: `The demo failed (status ${response.status}).`}));
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }
}

let queue = Promise.resolve();

function take(files) {
  const given = Array.from(files);
  if (!given.length) return;
  const cards = given.slice(0, mostFiles).map((file) => new Card(file, file.name || "pasted image"));
  list.prepend(...cards.map((card) => card.root));
  results.hidden = false;
  const words = `Only the first ${mostFiles} of ${given.length.toLocaleString("en")} files are taken; make predict takes whole folders.`;
  notice(given.length > mostFiles ? words : "");
  for (const card of cards) queue = queue.then(() => card.run());
}

document.getElementById("choose").addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => { take(chooser.files); chooser.value = ""; });
document.getElementById("clear").addEventListener("click", () => {
  for (const button of Array.from(list.querySelectorAll(".remove"))) button.click();
  document.getElementById("choose").focus();
});
document.addEventListener("paste", (event) => take(event.clipboardData.files));
let inside = 0;
const carriesFiles = (event) => Array.from(event.dataTransfer.types).includes("Files");
document.addEventListener("dragenter", (event) => { inside += 1; drop.classList.toggle("over", carriesFiles(event)); });
document.addEventListener("dragleave", () => { inside -= 1; if (inside <= 0) drop.classList.remove("over"); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  drop.classList.remove("over");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files);
  else notice("What was dropped is no file. Save the picture first, or copy and paste it.");
});
