// JSON whose floats stay floats: a graph's 1.0 is no 1 for a node that takes anything, and JavaScript has one number for both.

import { isLong, parsed } from "./numbers.js";

const POINTED = /\d[.eE]/;

// A number with a point or an exponent that JavaScript would write as a whole one.
export class Float extends Number {
  constructor(text) {
    super(text);
    this.text = text;
  }

  toString() { return this.text; }
}

const isFloat = (token) => POINTED.test(token) && /^-?\d+$/.test(String(Number(token)));

export const fromJsonWithFloats = (text) =>
  parsed(text, (token) => isLong(token) || isFloat(token), (token) => (POINTED.test(token) ? new Float(token) : BigInt(token)));
