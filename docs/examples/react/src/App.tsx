import { ApolloProvider } from "@apollo/client/react";
import { useEffect, useMemo, useState } from "react";
import { Book } from "./Book";
import { makeClient } from "./client";
import { Manage } from "./Manage";

// The manage token is in the address's fragment, which browsers send to no server.
const fromAddress = () => new URLSearchParams(location.hash.slice(1));

export function App() {
  const [place, setPlace] = useState(fromAddress);
  useEffect(() => {
    const follow = () => setPlace(fromAddress());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const id = place.get("appointment");
  const token = place.get("token");
  const client = useMemo(() => makeClient(token ?? undefined), [token]);
  return (
    <ApolloProvider client={client}>
      {id ? (
        <Manage id={id} />
      ) : (
        <Book
          booked={(appointment, manageToken) => {
            location.hash = String(new URLSearchParams({ appointment, token: manageToken }));
          }}
        />
      )}
    </ApolloProvider>
  );
}
