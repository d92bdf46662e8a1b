// JSON whose whole numbers keep every digit: beyond 2^53 they are BigInt in the page, and plain numbers on their way out.

const LONG = /\d{16}/;
const TOKEN = /\\.|"|-?\d[\d.eE+-]*/gs;
// Stands before digits while they are a text of JSON; nobody's text can begin with it.
const MARK = `number ${crypto.getRandomValues(new Uint32Array(4)).join("-")} `;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, "g");

// A whole number that is written in digits.
export function whole(digits) {
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}

const isLost = (token) => /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token));

export function fromJson(text) {
  if (!LONG.test(text)) return JSON.parse(text);
  let isInText = false;
  const marked = text.replace(TOKEN, (token) => {
    if (token === '"') isInText = !isInText;
    return !isInText && isLost(token) ? `"${MARK}${token}"` : token;
  });
  return JSON.parse(marked, (_key, value) => (typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value));
}

export function toJson(value, indent) {
  let isMarked = false;
  const text = JSON.stringify(value, (_key, one) => {
    if (typeof one !== "bigint") return one;
    isMarked = true;
    return MARK + one;
  }, indent);
  return isMarked ? text.replace(MARKED, "$1") : text;
}
