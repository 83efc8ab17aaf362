/** The keys, in a dialog. */

import { button, element, freshId } from "./dom.js";
import { KEYS } from "./keyboard.js";
import type { Words } from "./words.js";

export function helpDialog(words: Words): HTMLDialogElement {
  const id = freshId();
  const title = element("h2", { id }, words.help);
  const dialog = element("dialog", { "aria-labelledby": id }, title);
  title.append(button("×", words.close, null, () => dialog.close()));
  const list = element("dl");
  for (const [keys, code] of KEYS) {
    const term = element("dt", {}, ...keys.map(([key]) => element("kbd", {}, key)));
    list.append(term, element("dd", {}, words[code]));
  }
  dialog.append(list, element("p", {}, words.mouse));
  return dialog;
}
