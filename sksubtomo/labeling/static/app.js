// The page: keys, buttons, and what the server says.

import { get, post, sliceAddress, volume } from "./api.js";
import { Grid } from "./grid.js";
import { clear, drawBox, drawPlace } from "./views.js";

const N_TILES = 48;
const element = (id) => document.getElementById(id);
const canvases = { xy: element("xy"), xz: element("xz"), zy: element("zy") };

// Every tab is somebody: undo takes back its own clicks. It stays the same when it is reloaded.
const user = sessionStorage.getItem("user") || `tab-${crypto.getRandomValues(new Uint32Array(1))[0].toString(16)}`;
sessionStorage.setItem("user", user);

let state = null;
let grid = null;
let nClicks = 0;
let wasFitting = false;
let isLost = false; // whether the server did not answer the last time
let box = null; // voxels of the selected candidate
let reading = null; // of which box
let sending = Promise.resolve(); // clicks go out one after the other
let nWaiting = 0;

const say = (text) => { element("status").textContent = text; };
const unsaved = new Set(); // candidates whose last label did not reach the disk

// What went wrong, and always which labels are not saved.
function warn(text) {
  const rows = [...unsaved].map((row) => row + 1).join(", ");
  element("alert").textContent = [text, rows && `Not saved: candidate ${rows}. Label again.`]
    .filter(Boolean).join(" ");
}

const reason = (error) => (error instanceof TypeError ? "The server does not answer." : error.message);

async function trying(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") warn(reason(error));
    return null;
  }
}

function showState(next) {
  state = next;
  const labeled = state.counts.reduce((sum, count) => sum + count, 0);
  element("summary").textContent =
    `${labeled} of ${state.n_candidates} labeled, ${state.n_unsure} not sure`;
  element("labeled").max = state.n_candidates;
  element("labeled").value = labeled + state.n_unsure;
  element("counts").replaceChildren(...state.class_names.map((name, index) => {
    const item = document.createElement("li");
    item.dataset.label = index + 1;
    item.textContent = `${index + 1} ${name}: ${state.counts[index]}`;
    return item;
  }));
  showWork();
}

function showWork() {
  const work = state.work;
  const running = work.state === "running";
  element("work").hidden = !running;
  element("fit").disabled = running && work.what !== "Reading boxes";
  element("work-text").textContent = work.what;
  if (work.total) {
    element("work-bar").max = work.total;
    element("work-bar").value = work.done;
  } else {
    element("work-bar").removeAttribute("value");
  }
}

async function refresh() {
  const next = await trying(() => get("state", { since: nClicks }));
  if (!next) {
    isLost = true;
    return;
  }
  if (isLost) warn("");
  isLost = false;
  if (nWaiting === 0) {
    nClicks = next.n_clicks;
    for (const [row, label] of Object.entries(next.changed)) grid.setLabel(Number(row), label);
    showCurrentLabel();
  }
  showState(next);
  const running = next.work.state === "running";
  if (wasFitting && !running) await fitEnded();
}

async function fitEnded() {
  wasFitting = false;
  if (state.work.state === "failed") {
    warn(state.work.what);
    return;
  }
  await nextQueue();
  say("The fit is done. These are the next candidates.");
}

async function poll() {
  await refresh();
  const busy = state && state.work.state === "running";
  setTimeout(poll, busy ? 500 : 3000);
}

async function nextQueue() {
  const chosen = {
    strategy: element("strategy").value, n: N_TILES, tomogram: element("tomogram").value,
  };
  const queue = await trying(() => get("queue", chosen));
  if (!queue) return;
  warn("");
  grid.show(queue.items, element("low-pass").value);
  document.body.dataset.queues = Number(document.body.dataset.queues || 0) + 1;
  say(queue.told || `${queue.items.length} candidates.`);
}

function label(value) {
  const item = grid.current;
  if (!item || value > state.class_names.length) return;
  nWaiting += 1;
  const { row, label: former } = item;
  grid.setLabel(row, value, "waiting");
  grid.advance();
  // The mark is dashed until the server has the click on its disk.
  sending = sending.then(async () => {
    try {
      const next = await post("label", { row, label: value, user });
      grid.setLabel(row, value);
      unsaved.delete(row);
      warn("");
      showState({ ...next, changed: {} });
    } catch (error) {
      grid.setLabel(row, former, "failed");
      unsaved.add(row);
      warn(reason(error));
    } finally {
      nWaiting -= 1;
      document.body.dataset.waiting = nWaiting;
    }
  });
  document.body.dataset.waiting = nWaiting;
}

async function undo() {
  await sending;
  const answer = await trying(() => post("undo", { user }));
  if (!answer) return;
  if (answer.row === null) {
    say("There is nothing to take back.");
    return;
  }
  grid.setLabel(answer.row, answer.label);
  grid.selectRow(answer.row);
  say(`Took back the label of candidate ${answer.row + 1}.`);
  await refresh();
}

async function fit() {
  await sending;
  if (element("fit").disabled) return;
  const next = await trying(() => post("fit"));
  if (!next) return;
  warn("");
  wasFitting = true;
  showState({ ...next, changed: {} });
  say("Fitting. You can go on labeling.");
  setTimeout(refresh, 200);
}

async function exportLabels() {
  await sending;
  const answer = await trying(() => post("export", { kind: element("export-kind").value }));
  if (answer) say(answer.told);
}

function showCurrentLabel() {
  const item = grid.current;
  for (const button of element("classes").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Boolean(item) && item.label === Number(button.dataset.label)));
  }
}

async function showCandidate(item) {
  showCurrentLabel();
  if (reading) reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  element("name").textContent = item ? `Candidate ${item.row + 1}` : "No candidate";
  if (!item) {
    box = null;
    Object.values(canvases).forEach(clear);
    clear(element("place"));
    element("facts").textContent = "";
    return;
  }
  await trying(async () => {
    const voxels = await volume(item.row, element("low-pass").value, signal);
    if (signal.aborted) return;
    box = voxels;
    draw();
  });
  await trying(async () => {
    const where = await get(`candidate/${item.row}`);
    if (signal.aborted) return;
    const place = where.center.join(", ");
    const proba = where.probabilities
      ? `; ${state.class_names.map((name, k) => `${name} ${where.probabilities[k].toFixed(2)}`).join(", ")}` : "";
    element("facts").textContent = `${where.tomogram || "tomogram"} at z, y, x = ${place}${proba}`;
    clear(element("place"));
    if (where.tomogram_shape) showPlace(item.row, where, signal);
  });
}

function showPlace(row, where, signal) {
  const image = new Image();
  image.onload = () => {
    if (!signal.aborted) drawPlace(element("place"), image, where, state.box);
  };
  image.src = sliceAddress(row);
}

function draw() {
  const z = Number(element("z").value);
  element("z-text").textContent = element("z-value").textContent = z - Math.floor(state.box[0] / 2);
  if (box) drawBox(canvases, box, state.box, z, Number(element("contrast").value));
}

function setContrast() {
  const contrast = Number(element("contrast").value) / 10;
  element("contrast-text").textContent = contrast.toFixed(1);
  element("grid").style.setProperty("--contrast", contrast);
  draw();
}

function setLowPass() {
  const lowPass = Number(element("low-pass").value);
  const size = state.voxel_size_angstrom;
  element("low-pass-text").textContent = lowPass === 0 ? "none"
    : size ? `${Math.round(lowPass * size)} Å` : `${lowPass} voxels`;
  if (!grid) return;
  grid.setLowPass(lowPass);
  showCandidate(grid.current);
}

function scrollZ(step) {
  const z = element("z");
  z.value = Number(z.value) + step;
  draw();
}

const actions = {
  n: nextQueue, u: undo, f: fit, e: exportLabels, "[": () => scrollZ(-1), "]": () => scrollZ(1),
};

function onKey(event) {
  const inField = event.target.matches("select, input");
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isUndo = (event.ctrlKey || event.metaKey) && key === "z";
  if (isUndo) {
    event.preventDefault();
    undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || inField) return;
  if (/^[0-9]$/.test(key)) {
    event.preventDefault();
    if (!event.repeat) label(Number(key));
  } else if (key.startsWith("Arrow")) {
    event.preventDefault();
    grid.move(key);
  } else if (actions[key]) {
    event.preventDefault();
    actions[key]();
  }
}

function addClasses() {
  const all = [...state.class_names.map((name, index) => [index + 1, name]), [0, "not sure"]];
  for (const [value, name] of all) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.label = value;
    button.setAttribute("aria-pressed", "false");
    const key = document.createElement("kbd");
    key.textContent = value;
    button.append(key, ` ${name}`);
    button.addEventListener("click", () => label(value));
    element("classes").append(button);
  }
}

function addTomograms() {
  if (state.tomograms.length < 2) element("tomogram").disabled = true;
  state.tomograms.forEach((name, index) => element("tomogram").add(new Option(name || "tomogram", index)));
}

async function start() {
  const first = await trying(() => get("state"));
  if (!first) return;
  nClicks = first.n_clicks;
  showState(first);
  grid = new Grid(element("grid"), state.class_names, (item) => { showCandidate(item); });
  addClasses();
  addTomograms();
  element("z").max = state.box[0] - 1;
  element("z").value = Math.floor(state.box[0] / 2);
  setLowPass();
  setContrast();
  element("next").addEventListener("click", nextQueue);
  element("undo").addEventListener("click", undo);
  element("fit").addEventListener("click", fit);
  element("export").addEventListener("click", exportLabels);
  element("strategy").addEventListener("change", nextQueue);
  element("tomogram").addEventListener("change", nextQueue);
  element("z").addEventListener("input", draw);
  element("contrast").addEventListener("input", setContrast);
  element("low-pass").addEventListener("change", setLowPass);
  document.addEventListener("keydown", onKey);
  window.addEventListener("beforeunload", (event) => { if (nWaiting) event.preventDefault(); });
  await nextQueue();
  wasFitting = state.work.state === "running" && state.work.what !== "Reading boxes";
  poll();
}

start();
