// Runs operations by their hash with the clients as published: Apollo's link for persisted queries, and urql's exchange.
import { createHash } from 'node:crypto';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';

const url = process.argv[2];
const authorization = 'Bearer ok-ann';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

function counting() {
  const sent = [];
  const fetching = (address, options) => {
    const body = JSON.parse(options.body);
    sent.push([body.query && 'document', body.extensions?.persistedQuery && 'hash'].filter(Boolean).join('+'));
    return fetch(address, options);
  };
  return { sent, fetching };
}

async function withApollo(query) {
  const { sent, fetching } = counting();
  const client = new ApolloClient({
    link: new PersistedQueryLink({ sha256 }).concat(
      new HttpLink({ uri: url, headers: { authorization }, fetch: fetching }),
    ),
    cache: new InMemoryCache(),
  });
  const answers = [];
  for (const name of ['a', 'b']) {
    const { data } = await client.query({ query: gql(query), variables: { name }, fetchPolicy: 'no-cache' });
    answers.push(data.hello);
  }
  return { answers, sent };
}

async function withUrql(query) {
  const { sent, fetching } = counting();
  const client = new Client({
    url,
    fetch: fetching,
    fetchOptions: { headers: { authorization } },
    preferGetMethod: false,
    exchanges: [
      persistedExchange({ preferGetForPersistedQueries: false, generateHash: async (text) => sha256(text) }),
      fetchExchange,
    ],
  });
  const answers = [];
  for (const name of ['a', 'b']) {
    const { data, error } = await client.query(query, { name }).toPromise();
    answers.push(error ? String(error) : data.hello);
  }
  return { answers, sent };
}

console.log(
  JSON.stringify({
    apollo: await withApollo('query Apollo($name: String!) { hello(name: $name) }'),
    urql: await withUrql('query Urql($name: String!) { hello(name: $name) }'),
  }),
);
process.exit(0);
