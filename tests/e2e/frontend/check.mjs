// Does with the snippets of docs/frontend.md what their readers would, and prints what came of it.
import WebSocket from "ws";

globalThis.WebSocket ??= WebSocket; // as in a browser, and in Node.js from 22 on

const PATIENCE_MS = 20_000;

const { caller } = await import("./slotwright.js");
const { ask } = await import("./ask.js");
const { freeTimes } = await import("./free-times.js");
const { services } = await import("./services.js");
const { serviceTimes } = await import("./any-free-provider.js");
const { classTimes, holdSeats, bookSeats, changeParty } = await import("./classes.js");
const { sessions, cancelSession, moveSession } = await import("./sessions.js");
const { hold, book } = await import("./book.js");
const live = await import("./live.js");
const { client: eventClient, events } = await import("./live-events.js");
const { watchAppointments } = await import("./appointments.js");
const { default: possibleTypes } = await import("./possible-types.js");
const apollo = await import("./apollo.js");
const urql = await import("./urql.js");
const urqlManage = await import("./urql-manage.js");
const manage = await import("./manage.js");
const { environment } = await import("./relay.js");
const { nextStarts } = await import("./typed.js");
const { default: relayQuery } = await import("./__generated__/relayProvidersQuery.graphql.js");
const { default: relayChanges } = await import("./__generated__/relayProvidersChangesSubscription.graphql.js");
const { default: relay } = await import("relay-runtime");

const day = (ahead) => new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
const [from, to, timeZone] = [day(2), day(12), "Europe/Berlin"];
const results = {};

/** The first of what `subscribe(tell)` tells that is wanted. */
function first(subscribe, isWanted = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing came: ${subscribe}`)), PATIENCE_MS);
    subscribe((told) => {
      if (!isWanted(told)) return;
      clearTimeout(timer);
      resolve(told);
    });
  });
}

const { providers } = await ask("{ providers(first: 1) { nodes { id } } }");
const provider = providers.nodes[0].id;
const days = await freeTimes(provider, from, to, timeZone);
results.days = days.length;
// Relay and Apollo watch the same dates in the provider's zone, where the first of ours may still be the day before.
const free = days.slice(1).flatMap(({ slots }) => slots.map(({ startsAt }) => startsAt));

// A massage, with any free provider and a room.
const massage = (await services("mass")).find(({ name }) => name === "Massage");
const massages = await serviceTimes(massage.id, from, to, timeZone);
const alone = await serviceTimes(massage.id, from, to, timeZone, [massage.providers[0].id]);
results.service = [
  massage.needs.map(({ name, count }) => `${count} ${name}`),
  massages.length,
  alone.some(({ slots }) => slots.some(({ providerIds }) => providerIds[0] === massage.providers[0].id)),
];

// A mistake says what it is.
results.mistake = await ask("{ nextAvailableSlots(first: 0) { startsAt } }").catch(({ code, field }) => ({ code, field }));

// Every live client sees one booking.
const isGone = (startsAt) => ({ startTimes, slots }) => !(startTimes ?? slots.map((slot) => slot.startsAt)).includes(startsAt);
const variables = { provider, from: free[0].slice(0, 10), to: free[0].slice(0, 10) };
const known = new Set();
const gone = {
  socket: first(
    (tell) => live.watch({ providers: [provider], from, to, timeZone }, tell),
    (change) => change.slots.some(({ startsAt }) => startsAt === free[0]) ? (known.add(change.date), false) : known.has(change.date),
  ),
  events: (async () => {
    const query = "subscription ($p: ID!, $d: Date!) { availabilityChanges(providerIds: [$p], from: $d, to: $d, timeZone: \"UTC\") { startTimes } }";
    for await (const { data } of events(query, { p: provider, d: variables.from })) {
      if (isGone(free[0])(data.availabilityChanges)) return data.availabilityChanges;
    }
  })(),
  urql: first(
    (tell) => urql.client.subscription(
      "subscription ($p: ID!, $d: Date!) { availabilityChanges(providerIds: [$p], from: $d, to: $d, timeZone: \"UTC\") { startTimes } }",
      { p: provider, d: variables.from },
    ).subscribe(({ data }) => data && tell(data.availabilityChanges)),
    isGone(free[0]),
  ),
  relay: first(
    (tell) => relay.requestSubscription(environment, {
      subscription: relayChanges,
      variables: { providers: [provider], from, to },
      onNext: ({ availabilityChanges }) => tell(availabilityChanges),
    }),
    (() => {
      const seen = new Set();
      return ({ date, startTimes }) => startTimes.includes(free[0]) ? (seen.add(date), false) : seen.has(date);
    })(),
  ),
  apollo: first(
    (tell) => apollo.liveMonth({ provider, from, to }).subscribe(({ data, dataState }) =>
      dataState === "complete" && tell(data.provider.availability.days.flatMap(({ startTimes }) => startTimes))),
    (() => {
      let wasThere = false;
      return (starts) => (starts.includes(free[0]) ? ((wasThere = true), false) : wasThere);
    })(),
  ),
};
const urqlQuery = await urql.client.query("{ providers(first: 1) { nodes { id } } }", {}).toPromise();
results.urqlQuery = urqlQuery.data?.providers.nodes[0].id === provider;
await new Promise((done) => setTimeout(done, 1000)); // all are subscribed, and have their snapshots

const held = await hold(provider, free[0]);
results.held = held.__typename;
const customer = { name: "Kim", email: "kim@example.com" };
const wish = {
  providerId: provider, startsAt: free[0], holdToken: held.holdToken, customer, customerTimeZone: timeZone, idempotencyKey: "key-of-kim",
};
const booking = await book(wish);
results.booked = booking.booked?.status;
results.again = (await book(wish)).booked?.id === booking.booked?.id;
const late = await book({ ...wish, holdToken: undefined, idempotencyKey: "another-key" });
results.taken = [typeof late.taken, late.nearest?.length > 0];
results.wrong = Object.keys((await book({ ...wish, holdToken: undefined, startsAt: free.at(-1), customer: { ...customer, email: "no" }, idempotencyKey: "third-key" })).wrong ?? {});
results.live = {};
for (const [name, seen] of Object.entries(gone)) results.live[name] = await seen.then(() => true, String);

// With the manage token: its appointment, watched and cancelled.
caller.token = booking.manageToken;
live.client.terminate(); // connects again, as somebody else
const news = first((tell) => watchAppointments(tell), ({ kind }) => kind === "CANCELLED");
await new Promise((done) => setTimeout(done, 1000));
const seen = await manage.see(booking.booked.id);
results.quote = seen.cancellationQuote.allowed;
results.moved = (await manage.move(seen, free[1])).moved?.startsAt === free[1];
results.movedBack = (await urqlManage.move(seen.id, free[2], "key-of-the-move")).__typename;
results.outdated = typeof (await manage.cancel(seen)).refused;
const cancelled = await manage.cancel(await manage.see(seen.id));
results.cancelled = cancelled.cancelled?.status;
results.cancelledAgain = (await urqlManage.cancel(seen.id, 0)).status;
results.money = manage.money({ amountMinor: 4050, currency: "EUR" }).replace(/[^\d.]/g, "");
results.news = (await news).kind;
caller.token = null;

// A class: seats are held, booked and changed by their manage token, and all of it is moved and cancelled by staff.
const yoga = (await services("yoga"))[0];
const dates = { from, to, timeZone };
const whole = await classTimes(yoga.id, 12, dates); // times with no party yet
const [empty, other] = whole.availability.slots;
const seats = await holdSeats(yoga.id, empty.startsAt, 3);
const leftFor = async (count) => (await classTimes(yoga.id, count, dates)).availability.slots.find(({ startsAt }) => startsAt === empty.startsAt)?.seatsLeft;
results.seats = [whole.seats, empty.seatsLeft, seats.seats, await leftFor(1), await leftFor(10)];
const seated = await bookSeats(seats, customer, timeZone, "key-of-the-party");
caller.token = seated.manageToken;
const larger = (await changeParty(seated.appointment, 4)).appointment;
const tooLarge = await changeParty(larger, 13);
results.party = [seated.appointment.price.amountMinor, larger.seats, larger.price.amountMinor, tooLarge.reasons];
caller.token = process.env.ADMIN;
const find = async (start) => (await sessions(from + "T00:00:00Z", to + "T23:59:59Z", [yoga.id])).find(({ startsAt }) => startsAt === start);
const session = await find(empty.startsAt);
results.session = [session.seatsTaken, session.appointments.nodes.map((one) => one.seats)];
results.sessionMoved = (await moveSession(session.id, other.startsAt)).seatsTaken;
results.sessionCancelled = (await cancelSession(session.id, "The teacher is ill.")).isCancelled;
caller.token = null;
results.sessionsOfGuests = await sessions(from + "T00:00:00Z", to + "T23:59:59Z") ?? null;

results.possibleTypes = possibleTypes.UserError.includes("SlotUnavailableError");
results.typed = (await nextStarts(ask, 3)).length;
const page = await relay.fetchQuery(environment, relayQuery, { count: 2, cursor: null }).toPromise();
results.relayQuery = page.providers.edges.length;
eventClient.dispose();
console.log(JSON.stringify(results));
process.exit(0); // sockets wait for their next operation
