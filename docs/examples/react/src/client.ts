import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import generated from "./gql/possible-types";

const server: string = import.meta.env.VITE_SLOTWRIGHT ?? "http://127.0.0.1:8000";
const organization: string = import.meta.env.VITE_ORGANIZATION ?? "demo";

/** A client for a guest, or for the holder of a manage token or an access token. */
export function makeClient(token?: string): ApolloClient {
  const http = new HttpLink({
    uri: `${server}/graphql`,
    headers: token ? { Authorization: `Bearer ${token}` } : { "Slotwright-Organization": organization },
  });
  // A browser's WebSocket can't send headers: the same goes into the first message.
  const socket = new GraphQLWsLink(
    createClient({
      url: `${server.replace(/^http/, "ws")}/graphql`,
      connectionParams: token ? { authorization: `Bearer ${token}` } : { organization },
      retryAttempts: Infinity,
      shouldRetry: () => true,
    }),
  );
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      socket,
      http,
    ),
    cache: new InMemoryCache({
      possibleTypes: generated.possibleTypes,
      // These have no id of their own: merge what different queries ask of them.
      typePolicies: { Availability: { merge: true }, CancellationQuote: { merge: true } },
    }),
  });
}
