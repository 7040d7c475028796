// The menu of the picture: by the right mouse button, by the menu key, or Shift+F10.
import { perform } from "./deeds.js";
import { el } from "./dom.js";

/**
 * Opens a menu at a place on the page; it closes when something is chosen, or by Escape, Tab, or a click elsewhere.
 * @param {{x: number, y: number}} place
 * @param {import("./deeds.js").Deed[][]} groups
 */
export function openMenu({ x, y }, groups) {
  document.getElementById("menu")?.remove();
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const close = () => {
    box.remove();
    removeEventListener("pointerdown", outside, true);
    before?.focus();
  };
  const outside = (event) => {
    if (!box.contains(event.target)) close();
  };
  const items = [];
  const item = (deed) => {
    const button = el(
      "button",
      {
        type: "button",
        role: "menuitem",
        tabindex: "-1",
        title: deed.title,
        class: deed.danger ? "danger" : "",
        onclick: () => {
          close();
          perform(deed);
        },
      },
      el("span", {}, deed.text),
      deed.key ? el("kbd", {}, deed.key) : null,
    );
    items.push(button);
    return button;
  };
  const box = el(
    "div",
    {
      id: "menu",
      role: "menu",
      "aria-label": "What can be done",
      onkeydown: (event) => {
        const at = items.indexOf(document.activeElement);
        const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
        if (next !== undefined) items[(next + items.length) % items.length].focus();
        else if (event.key === "Escape" || event.key === "Tab") close();
        else return;
        event.preventDefault();
        event.stopPropagation();
      },
    },
    groups.filter((group) => group.length).map((group) => el("div", { role: "group" }, group.map(item))),
  );
  document.body.append(box);
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 4))}px`;
  box.style.top = `${Math.max(4, Math.min(y, innerHeight - height - 4))}px`;
  addEventListener("pointerdown", outside, true);
  items[0]?.focus();
}
