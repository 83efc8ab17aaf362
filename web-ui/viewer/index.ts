/** The script that pages carry. */

import { mountPage } from "./page.js";

export type { ViewerData } from "./data.js";
export { deliver } from "./gallery.js";
export { mountGallery, mountViewer } from "./mount.js";
export { galleries } from "./page.js";
export type { Viewer, ViewerOptions } from "./viewer.js";

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountPage);
else mountPage();
