// The server's questions. The token came in the link, and stays with this origin.

const KEY = "intel-grapher token";
const told = new URLSearchParams(location.hash.slice(1));
let token = localStorage.getItem(KEY) ?? "";
if (told.get("token")) {
  token = told.get("token");
  told.delete("token");
  history.replaceState(null, "", location.pathname + (told.size ? `#${told}` : ""));
}

export const asked = new EventTarget(); // "cypher": what the graph was asked

export class Refusal extends Error {
  constructor(text, status, details) {
    super(text);
    this.status = status;
    this.details = details;
  }
}

let open = 0;
function waiting(more) {
  open += more;
  document.documentElement.toggleAttribute("data-asking", open > 0); // the pointer shows it
}

/**
 * Returns the server's answer to a question. `quiet`: nobody waits for it.
 * @param {string} name
 * @param {object} question
 * @param {{quiet?: boolean}} options
 */
export async function ask(name, question = {}, { quiet = false } = {}) {
  if (!quiet) waiting(1);
  try {
    return await answered(name, question);
  } finally {
    if (!quiet) waiting(-1);
  }
}

const AWAY = "The server does not answer: start `intel-grapher ui` again, and open the link it prints.";

async function answered(name, question) {
  let response = await post(name, question, token);
  const other = localStorage.getItem(KEY) ?? "";
  if (response.status === 401 && other !== token) {
    // An old link, opened beside a page with a good one; or a page that outlived its server, beside a new one.
    const again = await post(name, question, other);
    if (again.status !== 401) [response, token] = [again, other];
  }
  const answer = await response
    .json()
    .catch(() => ({ error: `the server failed (${response.status}); its terminal says why` }));
  if (response.status !== 401 && response.status !== 403 && token !== other) localStorage.setItem(KEY, token);
  if (!response.ok || (answer.error && Object.keys(answer).length === 1))
    throw new Refusal(answer.error, response.status, answer);
  if (answer.cypher?.length)
    asked.dispatchEvent(new CustomEvent("cypher", { detail: { name, questions: answer.cypher } }));
  return answer;
}

/**
 * Returns a file that the server makes, with what it says of it.
 * @param {string} name
 * @param {object} question
 */
export async function askFile(name, question) {
  waiting(1);
  try {
    const response = await post(name, question, token);
    if (!response.ok) throw new Refusal((await response.json()).error, response.status);
    return { blob: await response.blob(), told: JSON.parse(response.headers.get("X-Intel-Grapher-Written") ?? "{}") };
  } finally {
    waiting(-1);
  }
}

async function post(name, question, key, keepalive = false) {
  try {
    return await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Intel-Grapher-Token": key },
      body: typeof question === "string" ? question : JSON.stringify(question),
      keepalive,
    });
  } catch {
    throw new Refusal(AWAY, 0);
  }
}

/**
 * Sends what must arrive although the page goes; a browser takes 64 KiB at most.
 * @param {string} name
 * @param {string} body
 */
export const sendOff = (name, body) => post(name, body, token, true).catch(() => null);
