// Times, sizes and names as people read them.

import { toJson } from "./numbers.js";

const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const CLOCK_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// Seconds as 0:21, 12:40 or 3:02:11.
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export const since = (time) => (Date.now() - new Date(time)) / 1000;
export const between = (begin, end) => (new Date(end) - new Date(begin)) / 1000;
export const clock = (time) => CLOCK.format(new Date(time));
export const clockSeconds = (time) => CLOCK_SECONDS.format(new Date(time));
export const day = (time) => DAY.format(new Date(time));
export const dayKey = (time) => new Date(time).toDateString();

// "Today", "Yesterday", or the day itself.
export function dayName(time) {
  const then = dayKey(time);
  if (then === dayKey(Date.now())) return "Today";
  return then === dayKey(Date.now() - 86400e3) ? "Yesterday" : day(time);
}

export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  const steps = [["kB", 1e3], ["MB", 1e6], ["GB", 1e9], ["TB", 1e12]];
  const [unit, size] = steps.findLast(([, size]) => count >= size);
  const number = count / size;
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ${unit}`;
}

export const many = (count, one, more = `${one}s`) => `${count.toLocaleString("en").replaceAll(",", " ")} ${count === 1 ? one : more}`;

// A name out of an address or a parameter, as a title: "batch_size" is "Batch size".
export function title(name) {
  const words = String(name).replace(/[_-]+/g, " ").trim();
  const known = { cfg: "Guidance (cfg)", negative: "Negative prompt", fps: "Frames a second", vae: "VAE", lora: "LoRA" };
  return known[words] ?? (words ? words[0].toUpperCase() + words.slice(1) : String(name));
}

// A server's address as people call it: without the scheme.
export const serverName = (url) => (url ?? "").replace(/^https?:\/\//, "").replace(/\/$/, "");

// A value of an input in one line.
export function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object") return value.info?.id ? "a file" : toJson(value);
  return String(value);
}

export const shorten = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
