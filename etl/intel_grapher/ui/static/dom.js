// Elements from values: every string becomes text, never markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

export const fill = (element, ...children) => {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
};

// What a person knows a control by.
const nameOf = (element) => element.getAttribute("aria-label") ?? (element.getAttribute("name") || element.textContent);
const CONTROLS = "button, input, select, textarea, summary, pre[tabindex]";

/**
 * Changes what is in an element; the control in it that has the focus has it afterwards, or the one that took its
 * place. Returns whether one has it.
 * @param {HTMLElement} element
 * @param {() => void} change
 */
export function keepFocus(element, change) {
  const controls = () => /** @type {HTMLElement[]} */ ([...element.querySelectorAll(CONTROLS)]);
  const before = controls();
  const at = before.findIndex((each) => each === document.activeElement);
  change();
  if (at < 0) return false;
  const now = controls();
  const isSame = (each) => each && nameOf(each) === nameOf(before[at]);
  const next = [before[at], now[at]].find((each) => now.includes(each) && isSame(each)) ?? now.find(isSame) ?? now[at];
  next?.focus({ preventScroll: true });
  return next !== undefined;
}

export const refill = (element, ...children) => keepFocus(element, () => fill(element, ...children));

/**
 * Waits until nothing in an element is pressed: a click that has begun is lost where what is under it is drawn anew.
 * @param {HTMLElement} element
 */
export async function released(element) {
  while (element.matches(":active"))
    await new Promise((done) => {
      setTimeout(done, 30);
    });
}

export const button = (text, onclick, attributes = {}) =>
  el("button", { type: "button", onclick, ...attributes }, text);

/**
 * Shows a message. Errors, and messages that are to stay, stay until they are closed; others go after 5 seconds.
 * `read` is called when a person has closed it.
 * @param {unknown} text
 * @param {{wrong?: boolean, stay?: boolean, action?: {text: string, run: () => void} | null,
 *   read?: () => void}} options
 */
export function toast(text, { wrong = false, stay = wrong, action = null, read = () => {} } = {}) {
  const box = el("div", { class: wrong ? "toast wrong" : "toast" }, el("span", {}, String(text)));
  if (action)
    box.append(
      button(action.text, () => {
        box.remove();
        read();
        action.run();
      }),
    );
  const close = () => {
    box.remove();
    read();
  };
  if (stay) box.append(button("Close", close));
  else setTimeout(() => box.remove(), 5000);
  document.getElementById("toasts").append(box);
}

/**
 * Shows a dialog with fields. Resolves to the fields' values by name, or null if it was closed.
 *
 * With `submit`, the dialog stays open, with what was typed, until that has ended without an error; `submit` gets the
 * values, and a function that shows what is waited for. An error is shown in the dialog.
 * @param {string} title
 * @param {Record<string, any>} fields
 * @param {{ok?: string | null, content?: any[], danger?: boolean,
 *   submit?: ((values: Record<string, string>, waiting: (text: string) => void) => Promise<unknown>) | null}} options
 */
export function dialog(title, fields, { ok = "OK", content = [], danger = false, submit = null } = {}) {
  return new Promise((resolve) => {
    const inputs = Object.entries(fields).map(([name, field]) => {
      const input = field.options
        ? el(
            "select",
            { name },
            field.options.map((each) => el("option", { value: each.value ?? each }, each.text ?? each)),
          )
        : el(field.long ? "textarea" : "input", {
            name,
            rows: field.long ? 4 : null,
            type: field.long ? null : (field.type ?? "text"),
            placeholder: field.hint,
            spellcheck: "false",
          });
      if (field.value !== undefined) input.value = field.value;
      if (field.suggestions?.length) {
        input.setAttribute("list", `suggested-${name}`);
        const known = field.suggestions.map((value) => el("option", { value }));
        return el(
          "label",
          { class: "field" },
          el("span", {}, field.text),
          input,
          el("datalist", { id: `suggested-${name}` }, known),
        );
      }
      if (field.changed) input.addEventListener("input", () => field.changed(input, box));
      return el("label", { class: "field" }, el("span", {}, field.text), input);
    });
    const answer = el("p", { class: "answer", role: "status" });
    const told = (text, wrong = false) => {
      answer.textContent = text;
      answer.classList.toggle("bad", wrong);
    };
    const send = el("button", { type: "submit", class: danger ? "danger" : "main" }, ok ?? "Close");
    const close = (value) => {
      box.close();
      box.remove();
      resolve(value);
    };
    const box = el(
      "dialog",
      {
        "aria-label": title,
        onclose: () => {
          box.remove();
          resolve(null);
        },
      },
      el("h2", {}, title),
      el(
        "form",
        {
          onsubmit: async (event) => {
            event.preventDefault();
            const values = Object.fromEntries(
              [...box.querySelectorAll("[name]")].map((each) => [each.name, each.value]),
            );
            if (!submit) return close(values);
            send.disabled = true;
            told("Keeping it…");
            try {
              await submit(values, told);
              close(values);
            } catch (wrong) {
              told(wrong.message, true);
            }
            send.disabled = false;
          },
        },
        content,
        inputs,
        answer,
        el("div", { class: "end" }, ok === null ? null : button("Cancel", () => close(null)), send),
      ),
    );
    document.body.append(box);
    box.showModal();
    box.querySelector("input, textarea, select, button.main")?.focus();
  });
}

export const tell = (wrong) => toast(wrong.message, { wrong: true });

export const ARROW = { "->": "→", "<-": "←", "--": "—" };
export const number = (value) => value.toLocaleString("en");
export const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
export const day = (moment) => (moment ? moment.slice(0, 10) : "");
export const shortened = (text, most = 42) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// A key that nobody clicks by mistake.
export const defanged = (key) => key.replace(/^http/i, "hxxp").replaceAll(".", "[.]").replaceAll("@", "[at]");
