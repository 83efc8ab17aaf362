/**
 * Pages of the package: an element with data-viewer holds the static pictures, and the JSON of the
 * images. The viewer replaces the pictures on the screen; they stay for print.
 */

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
    const { words, cases } = JSON.parse(json) as PageData;
    const host = document.createElement("div");
    host.className = "viewer-host";
    place.prepend(host);
    galleries.push(mountGallery(host, cases, { words, below: "#text", ...chosenPainter() }));
    document.documentElement.classList.add("with-viewer");
  }
}

/** `#canvas` at the end of the address draws without WebGL. */
function chosenPainter(): { painter?: "canvas" } {
  return location.hash === "#canvas" ? { painter: "canvas" } : {};
}
