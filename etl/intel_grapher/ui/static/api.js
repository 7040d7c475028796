// The server's questions. The token came in the link, and stays with this origin.

const KEY = "intel-grapher token";
const told = new URLSearchParams(location.hash.slice(1));
if (told.get("token")) {
  localStorage.setItem(KEY, told.get("token"));
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

export async function ask(name, question = {}) {
  waiting(1);
  try {
    return await answered(name, question);
  } finally {
    waiting(-1);
  }
}

async function answered(name, question) {
  let response;
  try {
    response = await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Intel-Grapher-Token": localStorage.getItem(KEY) ?? "" },
      body: JSON.stringify(question),
    });
  } catch {
    throw new Refusal("The server does not answer: start `intel-grapher ui` again, and open the link it prints.", 0);
  }
  const answer = await response
    .json()
    .catch(() => ({ error: `the server failed (${response.status}); its terminal says why` }));
  if (!response.ok || (answer.error && Object.keys(answer).length === 1))
    throw new Refusal(answer.error, response.status, answer);
  if (answer.cypher?.length)
    asked.dispatchEvent(new CustomEvent("cypher", { detail: { name, questions: answer.cypher } }));
  return answer;
}
