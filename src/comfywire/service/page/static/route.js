// Goes to another view: addresses are `#/view/what`, so that the service needs no route for any of them.
export function go(address) {
  if (location.hash === address) dispatchEvent(new Event("hashchange"));
  else location.hash = address;
}
