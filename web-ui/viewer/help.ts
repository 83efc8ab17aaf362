/** The keys, in a dialog. */

import { button, element, freshId } from "./dom.js";
import { KEYS, VOLUME_KEYS } from "./keyboard.js";
import type { Code, Words } from "./words.js";

/** What the keys do, but for those that do nothing here. */
export function helpDialog(words: Words, without: readonly Code[]): HTMLDialogElement {
  const id = freshId();
  const title = element("h2", { id }, words.help);
  const dialog = element("dialog", { "aria-labelledby": id }, title);
  title.append(button("×", words.close, null, () => dialog.close()));
  const list = element("dl");
  for (const [keys, code] of KEYS) {
    const ofVolumes = VOLUME_KEYS.includes(code);
    if (without.includes(code)) continue;
    const term = element("dt", ofVolumes ? { class: "volume" } : {}, ...keys.map(([key]) => element("kbd", {}, key)));
    list.append(term, element("dd", {}, words[code]));
  }
  dialog.append(list, element("p", {}, words.mouse));
  return dialog;
}
