// The newest jobs of this key, kept up to date: asked for every second or so while some are open, and rarely otherwise.
// What is watched closely has its stream of events beside (live.js), which writes into the same store.

import { get } from "./api.js";

const OPEN = new Set(["queued", "running", "canceling"]);
const SOON = 1000, IDLE = 8000, NEWEST = 60;

// Newest first; those of a batch, which are all of one time, in the order of the batch.
export const byAge = (a, b) => (a.created_at === b.created_at ? (a.batch_index ?? 0) - (b.batch_index ?? 0) : a.created_at < b.created_at ? 1 : -1);

export const isOpen = (job) => OPEN.has(job.status);

class Jobs extends EventTarget {
  constructor() {
    super();
    this.byId = new Map();
    this.isPaused = true;
    this.timer = 0;
    document.addEventListener("visibilitychange", () => !document.hidden && this.refresh());
  }

  // All that are known, newest first.
  get newest() {
    return [...this.byId.values()].sort(byAge);
  }

  get open() {
    return this.newest.filter(isOpen);
  }

  resume() {
    this.isPaused = false;
    this.refresh();
  }

  pause() {
    this.isPaused = true;
    this.byId.clear();
    clearTimeout(this.timer);
  }

  async refresh() {
    clearTimeout(this.timer);
    if (this.isPaused) return;
    if (!document.hidden) {
      const asked = Date.now();
      try {
        const { jobs } = await get(`jobs?details=true&limit=${NEWEST}`);
        if (this.isPaused) return;
        for (const { job: { inputs, ...job }, batch_index } of jobs) this.put({ ...job, batch_index, ...(job.inputs_left_out ? {} : { inputs }) }, { asked });
        this.dispatchEvent(new Event("change"));
      } catch {
        // Who needs to know is told by what they asked for themselves.
      }
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), this.open.length ? SOON : IDLE);
  }

  // Takes in a job as it is now; a poll that was asked for before a stream told more changes nothing.
  put(job, { asked } = {}) {
    const known = this.byId.get(job.id);
    if (asked && known?.toldAt > asked) return;
    const toldAt = asked ? known?.toldAt : Date.now();
    this.byId.set(job.id, { ...known, ...job, toldAt });
    if (asked) return;
    this.dispatchEvent(new Event("change"));
    if (isOpen(job)) this.soon();
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), SOON);
  }

  // Calls `act` now and on each change, until `signal` ends.
  watch(act, signal) {
    this.addEventListener("change", act, { signal });
    act();
  }
}

export const jobs = new Jobs();
