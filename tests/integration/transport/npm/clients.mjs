// Runs a query, a mutation, a subscription and a mistake with each client as published, and prints what each one got.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createEventClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import WebSocket from 'ws';

const http = process.argv[2];
const socket = http.replace('http', 'ws');

const QUERY = 'query Hello($name: String!) { hello(name: $name) viewer }';
const MUTATION = 'mutation { bump }';
const SUBSCRIPTION = 'subscription { count(to: 3) { number } }';
const MISTAKE = '{ nothing }';
const variables = { name: 'é' };
const authorization = 'Bearer ok-ann';
const organization = 'demo';
const headers = { authorization, 'slotwright-organization': organization };

const socketClient = () =>
  createSocketClient({ url: socket, webSocketImpl: WebSocket, connectionParams: { authorization, organization } });

async function all(iterable) {
  const results = [];
  for await (const result of iterable) results.push(result);
  return results;
}

async function failure(promise) {
  try {
    return { data: await promise };
  } catch (error) {
    const errors = Array.isArray(error) ? error : (error.graphQLErrors ?? error.errors ?? [error]);
    return errors.map((each) => each.extensions?.code ?? String(each));
  }
}

async function withIterator(client) {
  return {
    query: (await all(client.iterate({ query: QUERY, variables })))[0],
    mutation: (await all(client.iterate({ query: MUTATION })))[0],
    subscription: (await all(client.iterate({ query: SUBSCRIPTION }))).map((result) => result.data.count.number),
    mistake: await failure(
      all(client.iterate({ query: MISTAKE })).then(([result]) => {
        if (result?.errors) throw result.errors;
        return result;
      }),
    ),
  };
}

async function withUrql(client) {
  const subscribed = new Promise((resolve, reject) => {
    const numbers = [];
    client.subscription(SUBSCRIPTION, {}).subscribe((result) => {
      if (result.error) reject(result.error);
      else if (numbers.push(result.data.count.number) === 3) resolve([...numbers]); // the last comes again at the end
    });
  });
  const outcome = (result) => (result.error ? { error: String(result.error) } : { data: result.data });
  return {
    query: outcome(await client.query(QUERY, variables).toPromise()),
    mutation: outcome(await client.mutation(MUTATION, {}).toPromise()),
    subscription: await subscribed,
    mistake: (await client.query(MISTAKE, {}).toPromise()).error.graphQLErrors.map((error) => error.extensions.code),
  };
}

async function withApollo(client) {
  const subscribed = new Promise((resolve, reject) => {
    const numbers = [];
    client.subscribe({ query: gql(SUBSCRIPTION) }).subscribe({
      next: ({ data, error }) => (error ? reject(error) : numbers.push(data.count.number)),
      error: reject,
      complete: () => resolve(numbers),
    });
  });
  const plain = ({ data }) => ({ data: JSON.parse(JSON.stringify(data)) });
  return {
    query: plain(await client.query({ query: gql(QUERY), variables })),
    mutation: plain(await client.mutate({ mutation: gql(MUTATION) })),
    subscription: await subscribed,
    mistake: await failure(client.query({ query: gql(MISTAKE) })),
  };
}

const clients = {
  'graphql-ws': () => withIterator(socketClient()),
  'graphql-sse': () => withIterator(createEventClient({ url: http, headers })),
  'urql over sockets': () => {
    const live = socketClient();
    const forwardSubscription = (request) => ({
      subscribe: (sink) => ({ unsubscribe: live.subscribe({ ...request, query: request.query || '' }, sink) }),
    });
    return withUrql(
      new Client({
        url: http,
        fetchOptions: { headers },
        preferGetMethod: false,
        exchanges: [fetchExchange, subscriptionExchange({ forwardSubscription })],
      }),
    );
  },
  'urql over event streams': () =>
    withUrql(
      new Client({
        url: http,
        fetchOptions: { headers },
        preferGetMethod: false,
        exchanges: [fetchExchange],
        fetchSubscriptions: true,
      }),
    ),
  'apollo': () => {
    const isSubscription = ({ query }) => getMainDefinition(query).operation === 'subscription';
    return withApollo(
      new ApolloClient({
        link: ApolloLink.split(isSubscription, new GraphQLWsLink(socketClient()), new HttpLink({ uri: http, headers })),
        cache: new InMemoryCache(),
      }),
    );
  },
};

const results = {};
for (const [name, run] of Object.entries(clients)) {
  try {
    results[name] = await run();
  } catch (error) {
    results[name] = { failed: String(error?.stack ?? error) };
  }
}
console.log(JSON.stringify(results));
process.exit(0); // sockets that wait for their next operation
