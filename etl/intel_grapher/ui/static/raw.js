// The raw replies behind a fact: what its sources answered, as it came.
import { ask } from "./api.js";
import { day, el, number, shortened } from "./dom.js";

// The replies behind a fact; each opens as it came.
export function rawReplies(keys, near, sources) {
  const box = el(
    "details",
    {
      class: "raw",
      "data-of": JSON.stringify([keys, near, sources]),
      ontoggle: async () => {
        if (!box.open || box.children.length > 1) return;
        try {
          const { pieces } = await ask("raw", {
            keys,
            asked: near,
            sources: sources.filter((each) => each !== "analyst"),
          });
          box.append(
            pieces.length
              ? el(
                  "div",
                  {},
                  pieces.map((piece) => pieceOf(piece)),
                )
              : el(
                  "p",
                  { class: "soft" },
                  sources.includes("analyst")
                    ? "An analyst's own entry: see Edits."
                    : "No reply to a question about it or its neighbours is kept here.",
                ),
          );
          const first = box.querySelector("details.piece");
          if (first) first.open = true; // one click, and what a source sent is there
        } catch (wrong) {
          box.append(el("p", { class: "bad" }, wrong.message));
        }
      },
    },
    el("summary", {}, "Raw replies"),
  );
  return box;
}

function pieceOf(piece) {
  const box = el(
    "details",
    {
      class: "piece",
      ontoggle: async () => {
        if (!box.open || box.children.length > 1) return;
        try {
          const reply = await ask("raw", { key: piece.key, digest: piece.digest });
          let { text } = reply;
          try {
            text = JSON.stringify(JSON.parse(text), null, 2);
          } catch {
            /* it is shown as it came */
          }
          box.append(
            el("pre", { tabindex: "0" }, text),
            reply.cut
              ? el(
                  "p",
                  { class: "soft" },
                  `The beginning of ${number(reply.bytes)} bytes; intel-grapher cache show has all.`,
                )
              : "",
          );
        } catch (wrong) {
          box.append(el("p", { class: "bad" }, wrong.message));
        }
      },
    },
    el(
      "summary",
      {},
      `${piece.source} ${piece.endpoint}, asked for ${shortened(piece.key, 40)}, ${day(piece.fetched_at)}`,
    ),
    piece.names_it ? "" : el("span", { class: "soft" }, "does not spell all the keys"),
  );
  return box;
}
