// The GraphQL client of our pages: fetch for questions, graphql-ws for what changes. Nothing more is needed.

import { createClient } from "./vendor/graphql-ws/client.js";
import { LOCALE, t } from "./words.js";

/**
 * A failed request, as opposed to a refusal, which is an answer. kind: offline | overloaded | refused | broken.
 * data is the part of the answer that did arrive.
 */
export class Problem extends Error {
  constructor(kind, message, { retryAfterSeconds = null, data = null } = {}) {
    super(message);
    Object.assign(this, { kind, retryAfterSeconds, data });
  }
}

/** A unique key, for mutations that must not happen twice. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * credentials() gives { token, organization } as they are now; either may be empty.
 * query(document, variables, fetch's options) answers with the data or throws a Problem; subscribe(…) returns a function that ends it.
 */
export function connect(endpoint, credentials) {
  const parameters = () => {
    const { token, organization } = credentials();
    return { ...(token && { authorization: `Bearer ${token}` }), ...(organization && { organization }) };
  };

  async function query(document, variables = {}, options = {}) {
    const { authorization, organization } = parameters();
    let response, answer;
    try {
      response = await fetch(endpoint, {
        method: "POST",
        ...options,
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          "accept-language": LOCALE, // refusals come in the language of the page
          ...(authorization && { authorization }),
          ...(organization && { "slotwright-organization": organization }),
        },
        body: JSON.stringify({ query: document, variables }),
      });
      answer = await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (response) throw new Problem("broken", t("unreadable", { status: response.status }));
      throw new Problem("offline", t("offline"));
    }
    const [error] = answer.errors ?? [];
    if (!error) return answer.data;
    const code = error.extensions?.code;
    let kind = "broken";
    if (code === "RATE_LIMITED" || response.status === 429 || response.status === 503) kind = "overloaded";
    if (code === "UNAUTHENTICATED" || code === "FORBIDDEN") kind = "refused";
    throw new Problem(kind, error.message, { retryAfterSeconds: Number(response.headers.get("retry-after")) || null, data: answer.data });
  }

  let silence;
  const socket = createClient({
    url: new URL(endpoint, location.href).href.replace(/^http/, "ws"),
    connectionParams: parameters,
    retryAttempts: Infinity,
    retryWait: (attempt) => new Promise((done) => setTimeout(done, Math.min(500 * 2 ** attempt, 15_000) * (0.5 + Math.random()))),
    shouldRetry: () => true,
    // A connection that died silently, for example while a laptop slept, is noticed within 15 seconds.
    keepAlive: 10_000,
    on: {
      ping: (received) => { if (!received) silence = setTimeout(() => socket.terminate(), 5_000); },
      pong: (received) => { if (received) clearTimeout(silence); },
      closed: () => clearTimeout(silence),
    },
  });

  /** next(data) for each event; ended(problem or null) once, when no more will come. */
  function subscribe(document, variables, next, ended) {
    return socket.subscribe({ query: document, variables }, {
      next: ({ data }) => data && next(data),
      error: (reason) => ended(new Problem("broken", reason?.[0]?.message ?? reason?.reason ?? t("live_ended"))),
      complete: () => ended(null),
    });
  }

  return { query, subscribe, socket };
}
