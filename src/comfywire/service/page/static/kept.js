// What the browser keeps for whoever is signed in, until the session ends, in every tab.

import { fromJson, toJson } from "./numbers.js";

const OURS = ["comfywire.form.", "comfywire.workflow"];
const LEFT = "comfywire.left";
let isSignedIn = true;

export const lastWorkflow = () => localStorage.getItem("comfywire.workflow");
export const keepWorkflow = (name) => isSignedIn && localStorage.setItem("comfywire.workflow", name);
export const keepForm = (name, values) => isSignedIn && localStorage.setItem(`comfywire.form.${name}`, toJson(values));

// What was set in a form the last time.
export function keptForm(name) {
  try {
    return fromJson(localStorage.getItem(`comfywire.form.${name}`) ?? "{}");
  } catch {
    return {};
  }
}

// Removes it, and keeps no more until somebody signs in: open views may yet be answered.
export function forget() {
  isSignedIn = false;
  for (const name of Object.keys(localStorage)) if (OURS.some((one) => name.startsWith(one))) localStorage.removeItem(name);
}

export const keepAgain = () => { isSignedIn = true; };

// Tells the other tabs of a sign-out; the value means nothing.
export const tellTabs = () => localStorage.setItem(LEFT, crypto.getRandomValues(new Uint32Array(2)).join("-"));
export const onLeft = (act) => addEventListener("storage", (event) => event.key === LEFT && act());
