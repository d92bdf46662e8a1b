// Keys that work anywhere but in a field.

export const isInField = (event) => event.target.closest?.("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [role=listbox], dialog") !== null;

export function shortcuts(event, addresses, help) {
  if (event.ctrlKey || event.metaKey || event.altKey || isInField(event)) return;
  if (addresses[event.key] && !document.body.classList.contains("bare")) location.hash = addresses[event.key];
  else if (event.key === "?") help();
  else if (event.key === "/") {
    const search = document.querySelector("main input[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
  }
}
