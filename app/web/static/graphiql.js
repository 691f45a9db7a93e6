// GraphiQL, made ready: signed in by the bar above it, with examples whose variables already name somebody who is free.

import { connect } from "./graphql.js";
import { examples } from "./examples.js";

const ENDPOINT = location.pathname;
const form = document.getElementById("credentials");
const viewer = document.getElementById("viewer");

// Everything lives in this window's session only: tokens, tabs and history are gone when it is closed.
const prefix = "slotwright:";
const kept = (name) => sessionStorage.getItem(prefix + name) ?? "";
const keep = (name, value) => (value ? sessionStorage.setItem(prefix + name, value) : sessionStorage.removeItem(prefix + name));
const credentials = () => ({ token: kept("token"), organization: kept("organization") });

let api = connect(ENDPOINT, credentials);

const WHO = "query { viewer { role provider { name } customer { name } } }";
const NAMES = { ANONYMOUS: "Anonymous", CUSTOMER: "Customer", PROVIDER: "Provider", RECEPTION: "Reception", ADMIN: "Administrator" };

async function showViewer() {
  document.getElementById("sign-out").hidden = !kept("token");
  show("asking", "Asking who you are…");
  try {
    const { role, provider, customer } = (await api.query(WHO)).viewer;
    const name = (provider ?? customer)?.name;
    show("known", (NAMES[role] ?? role) + (name ? ` · ${name}` : ""));
  } catch (problem) {
    show("refused", problem.message);
  }
}

function show(state, text) {
  viewer.dataset.state = state;
  viewer.textContent = text;
}

// GraphiQL learns an operation's name a moment after its text; running it sooner would run the previous one.
function nameOf({ query, operationName }) {
  try {
    const operations = GraphiQL.GraphQL.parse(query).definitions.filter(({ kind }) => kind === "OperationDefinition");
    return operations.length === 1 ? operations[0].name?.value : operationName;
  } catch {
    return operationName; // the server says best what is wrong with the text
  }
}

function render(tabs) {
  const { createElement, Fragment } = React;
  const send = GraphiQL.createFetcher({
    url: ENDPOINT,
    wsClient: api.socket,
    fetch: (address, request) => {
      const { token, organization } = credentials();
      const headers = new Headers(request.headers);
      headers.set("accept", "application/graphql-response+json, application/json");
      // Headers typed into the headers pane take precedence over the bar.
      if (token && !headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
      if (organization && !headers.has("slotwright-organization")) headers.set("slotwright-organization", organization);
      return fetch(address, { ...request, headers });
    },
  });
  root.render(
    createElement(GraphiQL, {
      fetcher: (question, options) => send({ ...question, operationName: nameOf(question) }, options),
      defaultTabs: tabs,
      storage: sessionStorage,
      shouldPersistHeaders: false,
      showPersistHeadersSettings: false,
      defaultEditorToolsVisibility: "variables",
      inputValueDeprecation: true,
    }, createElement(GraphiQL.Logo, null, createElement(Fragment))),
  );
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  // People paste whole headers; take the token out of them.
  signIn(form.token.value.trim().replace(/^authorization:\s*/i, "").replace(/^bearer\s+/i, ""), form.organization.value.trim());
});

document.getElementById("sign-out").addEventListener("click", () => {
  form.token.value = "";
  signIn("", form.organization.value.trim());
});

document.getElementById("restore").addEventListener("click", () => {
  keep("restore", "yes");
  location.reload();
});

function signIn(token, organization) {
  keep("token", token);
  keep("organization", organization);
  form.token.value = token;
  api.socket.dispose();
  api = connect(ENDPOINT, credentials);
  render(tabs);
  showViewer();
}

// GraphiQL stores its tabs with a delay, so they are removed here, where no write is pending. What its editors held is stored
// separately and would be written into the first example.
if (kept("restore")) {
  for (const name of ["tabState", "query", "variables", "headers", "operationName"]) sessionStorage.removeItem(`graphiql:${name}`);
}
keep("restore", "");
form.token.value = kept("token");
form.organization.value = kept("organization");
const root = ReactDOM.createRoot(document.getElementById("graphiql"));
showViewer();
const tabs = await examples(api);
render(tabs);
