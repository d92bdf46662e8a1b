// The service's public API: requests, its errors as they are, and event streams that go on where they broke.

import { fromJson, toJson } from "./numbers.js";

const root = new URL(".", document.baseURI);
const waiting = [250, 500, 1000, 2000, 4000];

export const apiUrl = (path) => new URL(`api/v2/${path}`, root).href;

// An answer that is an error; `message` is the service's own sentence.
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `The service answered ${status}, and says no more.`);
    this.status = status;
    this.code = body?.error?.code ?? "";
    this.details = body?.error?.details ?? {};
  }
}

// The service did not answer at all.
export class Unreachable extends Error {
  constructor() {
    super("The service does not answer. What runs goes on; the page asks again.");
    this.status = 0;
  }
}

const asked = new Set();
// Calls `act` whenever an answer shows that a key is wanted.
export const onSignedOut = (act) => asked.add(act);

async function send(method, path, { body, more, signal } = {}) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(apiUrl(path), {
      method, signal, headers: { ...type, ...more }, body: body === undefined ? undefined : toJson(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (answer.status === 401) for (const act of asked) act();
  return answer;
}

export async function read(answer, parse = fromJson) {
  const text = await answer.text();
  let body = null;
  try {
    body = text ? parse(text) : null;
  } catch {
    // A proxy's own page, say: its status is all that there is to tell.
  }
  if (!answer.ok) throw new ApiError(answer.status, body);
  return body;
}

export const get = async (path, options) => read(await send("GET", path, options), options?.parse);
export const post = async (path, body, more) => read(await send("POST", path, { body, more }));
export const put = async (path, body) => read(await send("PUT", path, { body }));
export const patch = async (path, body) => read(await send("PATCH", path, { body }));
export const del = async (path) => read(await send("DELETE", path));

// A request that may be sent twice and counts once.
export async function postOnce(path, body) {
  const more = { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) };
  for (const pause of [...waiting, 0]) {
    try {
      return await post(path, body, more);
    } catch (error) {
      if (!(error instanceof Unreachable) || !pause) throw error;
      await sleep(pause);
    }
  }
}

export const sleep = (milliseconds, signal) => new Promise((done) => {
  const timer = setTimeout(done, milliseconds);
  signal?.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

// An asset's bytes at our own address, by the signed URL that the API gave: that may name another host of the service.
export function content(url, { thumbnail } = {}) {
  const own = new URL(url);
  const path = own.pathname.slice(own.pathname.indexOf("/api/v2/") + "/api/v2/".length);
  own.searchParams.set("redirect", "false");
  if (thumbnail) own.searchParams.set("thumbnail", thumbnail);
  return `${apiUrl(path)}${own.search}`;
}

// Follows a stream of events until it says that all is told, over cuts, sleep and restarts. `onEvent(name, data)` gets each
// event once; `onAway(isAway, seconds)` is told when the service is out of reach, and when it is back.
export async function follow(path, { onEvent, onAway = () => {}, signal }) {
  let last = null, awaySince = null, tries = 0;
  while (!signal.aborted) {
    try {
      const more = last === null ? {} : { "Last-Event-ID": last };
      const answer = await send("GET", path, { signal, more: { Accept: "text/event-stream", ...more } });
      if (answer.status === 204) return;
      if (!answer.ok) await read(answer);
      if (awaySince !== null) onAway(false, (Date.now() - awaySince) / 1000);
      awaySince = null;
      tries = 0;
      for await (const event of events(answer.body)) {
        if (event.id) last = event.id;
        if (event.data !== undefined) onEvent(event.name, fromJson(event.data));
      }
      if (last === null) return; // a stream without numbers ends when everything is told
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
      if (awaySince === null) { awaySince = Date.now(); onAway(true, 0); }
      await sleep(waiting[Math.min(tries++, waiting.length - 1)], signal);
    }
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) yield parsed(block);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(block) {
  const event = { name: "message" };
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    const [field, value] = [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
    if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
    else if (field === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`;
  }
  return event;
}

// Signs in with a key: in a cookie that scripts cannot read.
export const signIn = (key) => post("session", { key });
export const signOut = () => del("session");
