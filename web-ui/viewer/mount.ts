/** The viewer in an element of a page, in a shadow tree so that no style of the page touches it. */

import type { ViewerData } from "./data.js";
import { type Case, Gallery } from "./gallery.js";
import css from "./style.css";
import { Viewer, type ViewerOptions } from "./viewer.js";

function shadowOf(host: HTMLElement): ShadowRoot {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  root.replaceChildren();
  return root;
}

/** Keys reach the viewer wherever the focus is in the host, or nowhere. */
function listen(host: HTMLElement, viewer: Viewer): () => void {
  const onKey = (event: KeyboardEvent): void => {
    const within = event.composedPath().includes(host) || event.target === document.body;
    if (within) viewer.onKey(event);
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

/** Show one image in an element, whose height the page sets. */
export function mountViewer(host: HTMLElement, data: ViewerData, options: ViewerOptions = {}): Viewer {
  const viewer = new Viewer(options);
  shadowOf(host).append(viewer.root);
  const stop = listen(host, viewer);
  const dispose = viewer.dispose.bind(viewer);
  viewer.dispose = () => {
    stop();
    dispose();
  };
  void viewer.show(data);
  return viewer;
}

/** Show several images in an element, with a list of them. */
export function mountGallery(
  host: HTMLElement,
  cases: readonly Case[],
  options: ViewerOptions = {},
): Gallery {
  const gallery = new Gallery(cases, options);
  shadowOf(host).append(gallery.root);
  listen(host, gallery.viewer);
  return gallery;
}
