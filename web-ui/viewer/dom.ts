/** Elements without markup in strings: nothing of a file's name is ever read as HTML. */

type Attributes = Readonly<Record<string, string | number | boolean>>;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

export function button(
  label: string,
  title: string,
  pressed: boolean | null,
  onClick: () => void,
): HTMLButtonElement {
  const state: Attributes = pressed === null ? {} : { "aria-pressed": String(pressed) };
  const made = element("button", { type: "button", title, "aria-label": title, ...state }, label);
  made.addEventListener("click", onClick);
  return made;
}

let lastId = 0;

/** An id that no other element of the page has. */
export function freshId(): string {
  lastId += 1;
  return `camlucida-${lastId}`;
}
