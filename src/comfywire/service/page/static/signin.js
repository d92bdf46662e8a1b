// Sign in with a key; it is asked for only where the service wants one.

import { signIn } from "./api.js";
import { fill, h, icon } from "./dom.js";

export function showSignIn(place, onSignedIn) {
  const field = h("input", { class: "in mono", id: "key", type: "password", autocomplete: "current-password", required: true });
  const wrong = h("p", { class: "error", id: "key-wrong", role: "alert", hidden: true });
  const enter = h("button", { class: "btn main", type: "submit" }, "Sign in");
  async function submit(event) {
    event.preventDefault();
    enter.disabled = true;
    try {
      await signIn(field.value.trim());
      await onSignedIn();
    } catch (error) {
      fill(wrong, icon("s-waits", "i i-16"), error.message);
      wrong.hidden = false;
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", "key-wrong");
      field.focus();
    } finally {
      enter.disabled = false;
    }
  }
  document.title = "Sign in · Comfywire";
  fill(place, h("div", { class: "center" }, h("form", { class: "card stack-24", on: { submit } },
    h("div", { class: "stack" }, h("h1", {}, "Sign in"),
      h("p", { class: "quiet" }, "This service asks for a key. Whoever runs it can give you one.")),
    h("div", { class: "field" }, h("label", { class: "label", for: "key" }, "Key"), field, wrong), enter)));
  field.focus();
}
