// JSON whose whole numbers keep every digit: beyond 2^53 they are BigInt in the page, and plain numbers on their way out.

const LONG = /\d{16}/;
const TOKEN = /\\.|"|-?\d[\d.eE+-]*/gs;
// Stands before digits while they are a text of JSON; nobody's text can begin with it.
const MARK = `number ${crypto.getRandomValues(new Uint32Array(4)).join("-")} `;
const MARKED = new RegExp(`"${MARK}([-+.\\deE]+)"`, "g");

// A whole number that is written in digits.
export function whole(digits) {
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}

export const isLong = (token) => /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token));

export const fromJson = (text) => (LONG.test(text) ? parsed(text, isLong, BigInt) : JSON.parse(text));

// The value of a text of JSON, in which `exact` makes the numbers that would be lost.
export function parsed(text, isLost, exact) {
  let isInText = false;
  const marked = text.replace(TOKEN, (token) => {
    if (token === '"') isInText = !isInText;
    return !isInText && isLost(token) ? `"${MARK}${token}"` : token;
  });
  return JSON.parse(marked, (_key, value) => (typeof value === "string" && value.startsWith(MARK) ? exact(value.slice(MARK.length)) : value));
}

export function toJson(value, indent) {
  let isMarked = false;
  const text = JSON.stringify(value, (_key, one) => {
    if (typeof one !== "bigint" && !(one instanceof Number)) return one;
    isMarked = true;
    return `${MARK}${one}`;
  }, indent);
  return isMarked ? text.replace(MARKED, "$1") : text;
}
