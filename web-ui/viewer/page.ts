/**
 * Pages of the package: an element with data-viewer holds the JSON of the images. The viewer fills
 * the window, in place of the static pictures, or opens from the figures; print has the pictures.
 */

import { element } from "./dom.js";
import { type Case, type Gallery } from "./gallery.js";
import { mountGallery } from "./mount.js";
import type { Words } from "./words.js";

interface PageData {
  readonly words: Words;
  readonly cases: readonly Case[];
}

export const galleries: Gallery[] = [];

export function mountPage(): void {
  for (const place of document.querySelectorAll<HTMLElement>("[data-viewer]")) {
    const json = place.querySelector("script[type='application/json']")?.textContent;
    if (!json) continue;
    const data = JSON.parse(json) as PageData;
    if (place.dataset.viewer === "dialog") openFromFigures(data);
    else fillWindow(place, data);
  }
}

function fillWindow(place: HTMLElement, { words, cases }: PageData): void {
  const host = element("div", { class: "viewer-host" });
  place.prepend(host);
  const options = { words, below: "#text", wholePage: true, ...chosenPainter() };
  galleries.push(mountGallery(host, cases, options));
  document.documentElement.classList.add("with-viewer");
  // The screen does not show the pictures of print, so that a browser would not load them in time.
  if (cases.every(({ data }) => data !== undefined)) loadPictures();
  else addEventListener("beforeprint", loadPictures);
}

function loadPictures(): void {
  for (const picture of document.images) picture.loading = "eager";
}

/** A button at each figure that has a film with maps opens one dialog for all of them. */
function openFromFigures({ words, cases }: PageData): void {
  const host = element("div");
  const close = element("form", { method: "dialog" }, element("button", {}, words.close));
  const dialog = element("dialog", { class: "viewer-dialog", "aria-label": words.viewer });
  dialog.append(close, host);
  document.body.append(dialog);
  let gallery: Gallery | null = null;
  for (const figure of document.querySelectorAll<HTMLElement>("figure[data-case]")) {
    const id = figure.dataset.case ?? "";
    const open = element("button", { type: "button", class: "viewer-open" }, words.open);
    open.addEventListener("click", () => {
      dialog.showModal();
      if (gallery === null) {
        gallery = mountGallery(host, cases, { words, ...chosenPainter() });
        galleries.push(gallery);
      }
      void gallery.show(id);
      gallery.viewer.stage.root.focus(); // keys work at once; the dialog would focus its first button
    });
    figure.append(open);
  }
}

/** `#canvas` or `#webgl` at the end of the address draws with it. */
function chosenPainter(): { painter?: "canvas" | "webgl" } {
  const name = location.hash.slice(1);
  return name === "canvas" || name === "webgl" ? { painter: name } : {};
}
