// One batch: its results, by the gallery's own means.
export { show } from "./results.js";
