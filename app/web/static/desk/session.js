// The access token. It stays in this tab: it is pasted, or comes after the # of the address, from which it is removed at once.

const KEY = "slotwright-desk-token";

let memory = null; // where the browser stores nothing, as in some private windows

function stored(write) {
  try {
    write?.(sessionStorage);
    return sessionStorage.getItem(KEY);
  } catch {
    return memory;
  }
}

export const token = () => stored() ?? memory ?? "";

export function keepToken(value) {
  memory = value;
  stored((storage) => storage.setItem(KEY, value));
}

export function forgetToken() {
  memory = null;
  stored((storage) => storage.removeItem(KEY));
}

/** Takes the token out of the address, so that it is in no history and no copied link. */
export function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  keepToken(given);
}
