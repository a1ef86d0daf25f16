// The grid of candidates: a list box, of which one tile is selected and can be reached by Tab.

import { tileAddress } from "./api.js";

export class Grid {
  constructor(element, names, onSelect) {
    this.element = element;
    this.names = names;
    this.onSelect = onSelect;
    this.items = [];
    this.tiles = new Map();
    this.selected = -1;
    element.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) this.select(this.items.findIndex((item) => item.row === Number(tile.dataset.row)));
    });
  }

  get current() {
    return this.items[this.selected] || null;
  }

  show(items, lowPass) {
    this.items = items;
    this.tiles.clear();
    this.element.replaceChildren(...items.map((item) => this.#tile(item, lowPass)));
    this.selected = -1;
    this.select(items.length ? 0 : -1);
  }

  select(index, focus = true) {
    if (this.current) {
      const former = this.tiles.get(this.current.row);
      former.setAttribute("aria-selected", "false");
      former.tabIndex = -1;
    }
    this.selected = index;
    if (this.current) {
      const tile = this.tiles.get(this.current.row);
      tile.setAttribute("aria-selected", "true");
      tile.tabIndex = 0;
      if (focus) tile.focus();
      tile.scrollIntoView({ block: "nearest" });
    }
    this.onSelect(this.current);
  }

  // Arrow keys: to the side, or a row up and down.
  move(key) {
    const style = getComputedStyle(this.element);
    const columns = style.gridTemplateColumns.split(" ").length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
    const index = this.selected + step;
    if (index >= 0 && index < this.items.length) this.select(index);
  }

  // After a label: the next candidate without one, or the next.
  advance() {
    const after = this.items.findIndex((item, index) => index > this.selected && item.label < 0);
    const next = after >= 0 ? after : Math.min(this.selected + 1, this.items.length - 1);
    this.select(next);
  }

  selectRow(row) {
    const index = this.items.findIndex((item) => item.row === row);
    if (index >= 0) this.select(index);
    return index >= 0;
  }

  setLabel(row, label, state = "") {
    const item = this.items.find((one) => one.row === row);
    const tile = this.tiles.get(row);
    if (!item) return;
    item.label = label;
    tile.classList.toggle("waiting", state === "waiting");
    tile.classList.toggle("failed", state === "failed");
    this.#mark(tile, item);
  }

  setLowPass(lowPass) {
    for (const [row, tile] of this.tiles) tile.querySelector("img").src = tileAddress(row, lowPass);
  }

  #tile(item, lowPass) {
    const tile = document.createElement("div");
    tile.className = "tile";
    tile.dataset.row = item.row;
    tile.tabIndex = -1;
    tile.setAttribute("role", "option");
    tile.setAttribute("aria-selected", "false");
    const image = document.createElement("img");
    image.loading = "lazy";
    image.alt = "";
    image.src = tileAddress(item.row, lowPass);
    const mark = document.createElement("span");
    mark.className = "mark";
    tile.append(image, mark);
    if (item.probabilities) {
      const proba = document.createElement("span");
      proba.className = "proba";
      const best = item.probabilities.indexOf(Math.max(...item.probabilities));
      proba.textContent = `${best + 1}: ${item.probabilities[best].toFixed(2)}`;
      tile.append(proba);
    }
    this.tiles.set(item.row, tile);
    this.#mark(tile, item);
    return tile;
  }

  #mark(tile, item) {
    const label = item.label;
    if (label < 0) delete tile.dataset.label;
    else tile.dataset.label = label;
    tile.querySelector(".mark").textContent = label < 0 ? "" : label === 0 ? "?" : label;
    const said = label < 0 ? "no label" : label === 0 ? "not sure" : this.names[label - 1];
    tile.setAttribute("aria-label", `Candidate ${item.row + 1}, ${said}`);
  }
}
