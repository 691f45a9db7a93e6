// A provider's week from slots that are ready in memory: no database, no cache, no identity, no
// limits. `node server.mjs mercurius|yoga PORT PROVIDERS`

import { createServer } from "node:http";

import Fastify from "fastify";
import { createSchema, createYoga } from "graphql-yoga";
import mercurius from "mercurius";

const [name, port, providers] = process.argv.slice(2);

const typeDefs = `
  type Slot { startsAt: String! endsAt: String! localStart: String! }
  type Availability { slots: [Slot!]! }
  type Provider { availability(from: String!, to: String!): Availability }
  type Query { provider(id: ID!): Provider }
`;

const SLOTS_A_DAY = 21;
const DAYS = 7;
const LENGTH = 20 * 60_000;
const MONDAY = Date.UTC(2026, 5, 1, 9);

const text = (instant) => new Date(instant).toISOString().replace(".000Z", "Z");

function week(number) {
  const slots = [];
  for (let day = 0; day < DAYS; day++) {
    for (let slot = 0; slot < SLOTS_A_DAY; slot++) {
      const start = MONDAY + ((7 * number + day) * 24 * 60 + 20 * slot) * 60_000;
      slots.push({
        startsAt: text(start),
        endsAt: text(start + LENGTH),
        localStart: text(start).replace("Z", "+00:00"),
      });
    }
  }
  return { slots };
}

const weeks = new Map(
  Array.from({ length: Number(providers) }, (_, number) => [String(number), week(number)]),
);
const resolvers = {
  Query: { provider: (_, { id }) => ({ week: weeks.get(id) }) },
  Provider: { availability: ({ week }) => week },
};

if (name === "mercurius") {
  const app = Fastify();
  app.register(mercurius, { schema: typeDefs, resolvers, jit: 1 });
  await app.listen({ port: Number(port), host: "127.0.0.1" });
} else {
  const yoga = createYoga({
    schema: createSchema({ typeDefs, resolvers }),
    logging: false,
    graphiql: false,
  });
  createServer(yoga).listen(Number(port), "127.0.0.1");
}
