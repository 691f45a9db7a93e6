// The example tabs of GraphiQL. Before they open, the server is asked for somebody who is free, so that each can be run unchanged.

import { newKey } from "./graphql.js";

const LOOK = `query {
  providers(first: 20) { nodes { id name timeZone services { id name durationMinutes } nextAvailableSlot { startsAt localStart } } }
  services(first: 20) { nodes { id seats needs { name } nextAvailableSlot(timeZone: "UTC") { localStart } } }
}`;
// The first times for a party and for a whole class, and the sessions to come where staff ask.
const LOOK_AT_CLASS = `query ($service: ID!, $party: Int!, $all: Int!, $from: DateTime!, $to: DateTime!) {
  service(id: $service) {
    party: nextAvailableSlot(timeZone: "UTC", seats: $party) { startsAt localStart }
    empty: nextAvailableSlot(timeZone: "UTC", seats: $all) { startsAt }
  }
  sessions(from: $from, to: $to, serviceIds: [$service], first: 50) { nodes { id isCancelled } }
}`;
// A known customer, and upcoming visits: null for callers who are not staff.
const LOOK_AS_STAFF = `query ($from: DateTime!) {
  customers(search: "hedda", first: 1) { nodes { id } }
  appointments(from: $from, status: [CONFIRMED], first: 50) { nodes { id startsAt session { id } providers { id } service { providers { id } } } }
}`;
const FIELDS = "query { __schema { mutationType { fields { name } } subscriptionType { fields { name } } } }";

const addDays = (date, days) => new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);

const PARTY = 2;

/** What the examples of classes need to know: a class, when a party finds room in it, and sessions of it where staff ask. */
async function lookAtClass(api, services) {
  const service = services.find(({ seats, nextAvailableSlot }) => seats > PARTY && nextAvailableSlot);
  if (!service) return null;
  const [from, to] = [0, 60].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());
  const answer = await api.query(LOOK_AT_CLASS, { service: service.id, party: PARTY, all: service.seats, from, to }).catch(({ data }) => data);
  const sessions = (answer?.sessions?.nodes ?? []).filter(({ isCancelled }) => !isCancelled).map(({ id }) => id);
  return answer?.service?.party && { id: service.id, slot: answer.service.party, empty: answer.service.empty, sessions };
}

/** Tabs for GraphiQL's `defaultTabs`. If the server can't be asked, the reader has to fill in ids. */
export async function examples(api) {
  const [look, schema, staff] = await Promise.all([
    api.query(LOOK).catch(({ data }) => data),
    api.query(FIELDS).catch(() => null),
    api.query(LOOK_AS_STAFF, { from: new Date().toISOString() }).catch(({ data }) => data),
  ]);
  const nodes = look?.providers?.nodes ?? [];
  const free = nodes.filter((provider) => provider.nextAvailableSlot);
  const provider = free.find((one) => one.services.length) ?? free[0] ?? nodes[0];
  const slot = provider?.nextAvailableSlot;
  const services = look?.services?.nodes ?? [];
  const shared = await lookAtClass(api, services);
  const bookable = services.filter((one) => one.nextAvailableSlot && !(one.seats > 1));
  const service = bookable.find((one) => one.needs.length) ?? bookable[0];
  const serviceFrom = service?.nextAvailableSlot.localStart.slice(0, 10);
  const from = slot?.localStart.slice(0, 10) ?? new Date().toISOString().slice(0, 10);
  const id = provider?.id ?? "paste a provider's id from the first tab";
  const startsAt = slot?.startsAt ?? `${addDays(from, 1)}T09:00:00Z`;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const customer = { name: "Ada Lovelace", email: "ada@example.org" };
  const classDay = shared?.slot.localStart.slice(0, 10);
  const party = shared && { serviceId: shared.id, startsAt: shared.slot.startsAt, seats: PARTY };
  const session = (place) => shared.sessions.at(place) ?? shared.sessions.at(-1) ?? "paste a session's id from the tab Sessions";
  const [known] = staff?.customers?.nodes ?? [];
  const colleague = ({ providers, service }) => service?.providers.find((one) => !providers.some(({ id: taken }) => taken === one.id));
  const handed = staff?.appointments?.nodes.find((one) => !one.session && one.providers.length === 1 && colleague(one));
  const offers = (type, field) => schema?.__schema[type]?.fields.some(({ name }) => name === field);

  const tabs = [
    [PROVIDERS],
    [SERVICES],
    [AVAILABILITY, { providerId: id, from, to: addDays(from, 6) }],
    service && [ANY_PROVIDER, { serviceId: service.id, from: serviceFrom, to: addDays(serviceFrom, 6), timeZone: zone }],
    [NEXT, { first: 10, timeZone: zone }],
    [EXPLAIN, { providerId: id, startsAt: startsAt.replace(/T(\d\d):(\d\d)/, "T$1:07") }],
    [BOOK, {
      input: {
        providerId: id,
        startsAt,
        customer,
        customerTimeZone: zone,
        notes: "Booked through GraphiQL",
        idempotencyKey: newKey(),
      },
    }],
    offers("subscriptionType", "availabilityChanges") && [LIVE, { providerIds: [id], from, to: addDays(from, 1) }],
    service && offers("subscriptionType", "serviceAvailabilityChanges")
      && [LIVE_SERVICE, { serviceId: service.id, from: serviceFrom, to: addDays(serviceFrom, 1), timeZone: zone }],
    shared && [CLASS_TIMES, { serviceId: shared.id, from: classDay, to: addDays(classDay, 6), timeZone: zone, seats: PARTY }],
    shared && [HOLD_SEATS, { input: { ...party, idempotencyKey: newKey() } }],
    shared && [BOOK_PARTY, { input: { ...party, customer, customerTimeZone: zone, idempotencyKey: newKey() } }],
    [PRACTICE],
    [WHO],
    [MINE],
    [CUSTOMERS, { search: "hed" }],
    [BOOK_FOR, { input: { customerId: known?.id ?? "paste a customer's id from the tab before", providerId: id, startsAt, customerTimeZone: zone, idempotencyKey: newKey() } }],
    [DAY, { date: from, timeZone: provider?.timeZone ?? zone }],
    [HAND_OVER, {
      input: {
        appointmentId: handed?.id ?? "paste an appointment's id from the tab before",
        startsAt: handed?.startsAt ?? startsAt,
        providerIds: [handed ? colleague(handed).id : id],
        ignore: ["HOURS"],
        idempotencyKey: newKey(),
      },
    }],
    [CORRECT, { input: { appointmentId: handed?.id ?? "paste an appointment's id from the tab Day", contact: { ...customer, phone: "+49 30 901820" }, notes: "Rings twice" } }],
    [PREVIEW, { input: { providerId: id, date: from, isBlocked: true, dryRun: true } }],
    [ARCHIVE, { input: { id, isArchived: true, dryRun: true } }],
    [STRANDED],
    [FEED, { input: { providerId: id } }],
    [EVENTS],
    offers("subscriptionType", "practiceChanges") && [LIVE_EDITS],
    [NEW_WEBHOOK, { input: { url: "https://hooks.example/slotwright", types: ["APPOINTMENT_BOOKED", "APPOINTMENT_CANCELLED"] } }],
    [WEBHOOKS],
    [RESOURCES],
    [SQUEEZE_IN, {
      input: {
        providerId: id,
        startsAt: startsAt.replace(/T(\d\d):(\d\d)/, "T$1:07"),
        customer,
        customerTimeZone: zone,
        ignore: ["GRID"],
        idempotencyKey: newKey(),
      },
    }],
    [TIME_OFF, { input: { providerId: id, from: `${addDays(from, 7)}T00:00`, until: `${addDays(from, 14)}T00:00`, reason: "Holiday" } }],
    [BUSY_TIMES, {
      input: {
        providerId: id,
        source: "Phone",
        from: `${addDays(from, 14)}T00:00:00Z`,
        to: `${addDays(from, 15)}T00:00:00Z`,
        busy: [{ startsAt: `${addDays(from, 14)}T12:00:00Z`, endsAt: `${addDays(from, 14)}T13:30:00Z` }],
      },
    }],
    [NEW_BUSY_FEED, { input: { providerId: id, name: "Private", url: "https://calendar.example/private.ics" } }],
    shared && [SESSIONS, { from: `${classDay}T00:00:00Z`, to: `${addDays(classDay, 7)}T00:00:00Z` }],
    shared && offers("mutationType", "rescheduleSession")
      && [MOVE_SESSION, { input: { sessionId: session(-1), startsAt: shared.empty?.startsAt ?? shared.slot.startsAt, idempotencyKey: newKey() } }],
    shared && offers("mutationType", "cancelSession") && [CANCEL_SESSION, { input: { sessionId: session(-2), reason: "The teacher is ill." } }],
  ];
  return tabs.filter(Boolean).map(([query, variables]) => ({
    query: query.trim(),
    variables: variables ? JSON.stringify(variables, null, 2) : "",
    headers: "",
  }));
}

const PROVIDERS = `
# Who can be booked.
# Run it with the pink button or Ctrl+Enter.
query Providers {
  providers(first: 5) {
    totalCount
    nodes {
      id
      name
      timeZone
      serviceDurationMinutes
      services {
        id name durationMinutes
        price { amountMinor currency }
      }
      weeklyHours { weekday start end }
      limits { period maxVisits maxMinutes }
      nextAvailableSlot { startsAt localStart }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const PRACTICE = `
# How to reach the practice, and where its visits
# take place. Public.
query Practice {
  organization {
    name
    phone
    email
    url
    locations { id name address phone directions }
  }
}
`;

const CORRECT = `
# Corrects what was given for an appointment. If an address
# changes, both get a message. Needs a token of its customer,
# its provider or an administrator.
mutation Correct($input: UpdateAppointmentInput!) {
  updateAppointment(input: $input) {
    __typename
    ... on Appointment { id version contact { name email phone } notes }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const SERVICES = `
# What can be booked, and what a visit takes:
# how many of these people at once (null: all),
# and units of which rooms and devices; how many
# seats a start has; and at most how many visits a
# day, week or month.
query Services {
  services(first: 5) {
    totalCount
    nodes {
      id
      name
      durationMinutes
      price { amountMinor currency }
      providersNeeded
      assignment
      providers { id name }
      needs {
        name
        count
        resources { id name kind }
      }
      seats
      limits { period maxVisits maxMinutes }
      maxOpenPerCustomer
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const AVAILABILITY = `
# The free times of one provider, by day.
# What is listed can be booked, nothing else.
query Availability(
  $providerId: ID!, $from: Date!, $to: Date!
) {
  provider(id: $providerId) {
    name
    availability(from: $from, to: $to) {
      __typename
      ... on Availability {
        timeZone
        durationMinutes
        days {
          date slotCount
          slots { startsAt localStart }
        }
      }
      ... on UserError { code message }
    }
  }
}
`;

const ANY_PROVIDER = `
# The free times of a service with any of its
# providers. providerIds are those who can
# lead the visit; book with one of them, or name
# nobody.
query AnyFreeProvider(
  $serviceId: ID!, $from: Date!, $to: Date!, $timeZone: TimeZone!
) {
  service(id: $serviceId) {
    name
    availability(from: $from, to: $to, timeZone: $timeZone) {
      __typename
      ... on ServiceAvailability {
        days {
          date slotCount
          slots { startsAt localStart providerIds }
        }
      }
      ... on UserError { code message }
    }
  }
}
`;

const NEXT = `
# The earliest free times of all providers,
# shown in your time zone.
query NextFreeTimes(
  $first: Int, $timeZone: TimeZone
) {
  nextAvailableSlots(
    first: $first, timeZone: $timeZone
  ) {
    startsAt
    localStart
    provider { name }
  }
}
`;

const EXPLAIN = `
# Can this instant be booked? If not, why?
# Change startsAt below and look again.
query ExplainTime(
  $providerId: ID!, $startsAt: DateTime!
) {
  explainTime(
    providerId: $providerId, startsAt: $startsAt
  ) {
    bookable
    reasons
  }
}
`;

const BOOK = `
# Books. Run it twice: the same idempotencyKey
# gives the same appointment. Change the key and
# run it again: the time is taken, and you are
# told what else is free.
mutation Book($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    __typename
    ... on BookingConfirmation {
      manageToken
      appointment {
        id status startsAt localStart
        provider { name }
        contact { name email }
      }
    }
    ... on SlotUnavailableError {
      reasons
      alternatives { startsAt localStart }
    }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const LIVE = `
# Free times as they change. Start it, book in
# another window, and watch.
subscription LiveTimes(
  $providerIds: [ID!]!, $from: Date!, $to: Date!
) {
  availabilityChanges(
    providerIds: $providerIds, from: $from, to: $to
  ) {
    date
    isSnapshot
    revision
    startTimes
  }
}
`;

const LIVE_SERVICE = `
# The same for a service with any free provider:
# each date again when somebody else becomes free, too.
subscription LiveService(
  $serviceId: ID!, $from: Date!, $to: Date!, $timeZone: TimeZone!
) {
  serviceAvailabilityChanges(
    serviceId: $serviceId, from: $from, to: $to, timeZone: $timeZone
  ) {
    date
    isSnapshot
    revision
    slots { startsAt providerIds }
  }
}
`;

const CLASS_TIMES = `
# The times of a class that have room for a party
# of two. seatsLeft is the largest party that still
# finds room. Change seats, and look again.
query ClassTimes(
  $serviceId: ID!, $from: Date!, $to: Date!, $timeZone: TimeZone!
  $seats: Int!
) {
  service(id: $serviceId) {
    name
    seats
    price { amountMinor currency }
    availability(
      from: $from, to: $to, timeZone: $timeZone, seats: $seats
    ) {
      __typename
      ... on ServiceAvailability {
        days {
          date
          slots { startsAt localStart localEnd seatsLeft }
        }
      }
      ... on UserError { code message }
    }
  }
}
`;

const HOLD_SEATS = `
# Holds seats while a form is filled in. Book with
# the holdToken, or let it expire.
mutation HoldSeats($input: HoldSlotInput!) {
  holdSlot(input: $input) {
    __typename
    ... on Hold {
      holdToken
      seats
      startsAt
      expiresAt
      providers { name }
    }
    ... on SlotUnavailableError {
      reasons
      alternatives { startsAt localStart }
    }
    ... on UserError { code message }
  }
}
`;

const BOOK_PARTY = `
# Books seats for a party, in one class. The price
# is for all of them. Ask for more seats than are
# left, with another key: NO_SEATS_LEFT.
mutation TakeSeats($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    __typename
    ... on BookingConfirmation {
      manageToken
      appointment {
        id status localStart
        seats
        price { amountMinor currency }
        service { name }
        provider { name }
      }
    }
    ... on SlotUnavailableError {
      reasons
      alternatives { startsAt localStart }
    }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const WHO = `
# Who the server takes you for. Paste a token
# into the bar above and run it again.
query Viewer {
  viewer {
    role
    provider { id name }
    customer { id name email }
  }
}
`;

const MINE = `
# Your own appointments; an administrator sees
# everybody's. Needs a token.
query Appointments {
  appointments(first: 10) {
    totalCount
    nodes {
      id status startsAt endsAt
      provider { name }
      contact { name email }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const CUSTOMERS = `
# Whom the practice knows, by the beginnings of words
# of name, e-mail and phone. createCustomer enters
# somebody new. Needs a token of staff.
query Customers($search: String) {
  customers(search: $search, first: 5) {
    nodes {
      id
      name
      email
      phone
      externalId
      appointments(orderBy: START_DESC, first: 3) {
        nodes { startsAt status service { name } }
      }
    }
  }
}
`;

const BOOK_FOR = `
# Books for somebody whom the practice knows: who
# calls need not say their address again. Needs a
# token of staff.
mutation ForCustomer($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    __typename
    ... on BookingConfirmation {
      appointment {
        id status localStart
        provider { name }
        customer { id name }
        contact { name email phone }
      }
    }
    ... on SlotUnavailableError {
      reasons
      alternatives { startsAt localStart }
    }
    ... on UserError { code message }
  }
}
`;

const DAY = `
# The reception's day: every visit of a date, in the
# practice's zone. Needs a token of staff.
query Day($date: Date!, $timeZone: TimeZone!) {
  appointments(
    fromDate: $date, toDate: $date, timeZone: $timeZone
    first: 50
  ) {
    nodes {
      id
      status
      localStart(timeZone: $timeZone)
      service { name }
      providers { name }
      resources { kind name }
      location { name }
      contact { name phone }
      staffNotes
    }
  }
}
`;

const HAND_OVER = `
# Hands a visit to a colleague at the same time, also
# outside of their hours. If they are taken then, it
# says so and stays. Needs a token of staff.
mutation HandOver($input: RescheduleAppointmentInput!) {
  rescheduleAppointment(input: $input) {
    __typename
    ... on BookingConfirmation {
      appointment {
        id startsAt version
        providers { name }
        history { kind actor ignored fromProviders { name } toProviders { name } }
      }
    }
    ... on SlotUnavailableError { reasons }
    ... on UserError { code message }
  }
}
`;

const ARCHIVE = `
# What would be left behind if this provider went into
# the archive? Without dryRun, they go. For
# administrators.
mutation PreviewArchive($input: UpdateProviderInput!) {
  updateProvider(input: $input) {
    __typename
    ... on ChangePreview {
      openMinutesLost
      strandedCount
      stranded { id localStart contact { name } }
    }
    ... on UserError { code message }
  }
}
`;

const PREVIEW = `
# What would closing this date do? Nothing is
# written. Without dryRun, it is closed.
# Staff only.
mutation PreviewClosedDate($input: SetExceptionInput!) {
  setException(input: $input) {
    __typename
    ... on ChangePreview {
      openMinutesGained
      openMinutesLost
      strandedCount
      stranded {
        id localStart
        contact { name }
      }
    }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const STRANDED = `
# Appointments to come that could not be booked
# now: somebody has to move or cancel them.
# Staff only.
query Stranded {
  strandedAppointments(first: 20) {
    totalCount
    nodes {
      id startsAt
      providers { name }
      resources { name }
      contact { name email phone }
    }
  }
}
`;

const FEED = `
# A private calendar feed of a provider's visits, to
# subscribe to in a calendar program. Its address is a
# secret; running this again makes a new one, and ends
# the one before. The provider, reception, administrators.
mutation NewCalendarFeed($input: RenewCalendarFeedInput!) {
  renewCalendarFeed(input: $input) {
    ... on Provider { name calendarFeedUrl }
    ... on UserError { code message }
  }
}
`;

const EVENTS = `
# Everything that happened, in order. Keep the last
# endCursor and give it as after: you miss nothing.
# Administrators only.
query Events {
  events(first: 20) {
    nodes {
      type
      occurredAt
      actor
      version
      subject { __typename id }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const LIVE_EDITS = `
# Edits of the practice as they happen: settings,
# hours, time off, busy times. Start it, run
# AddTimeOff in another window, and watch. For
# staff: needs a token.
subscription LiveEdits {
  practiceChanges {
    type
    subject {
      __typename
      id
      ... on Provider { name }
      ... on Resource { name }
    }
  }
}
`;

const NEW_WEBHOOK = `
# Has events posted to your server, signed, and
# retried for three days. The secret is shown only
# now. Left out, types means all of them. For
# administrators.
mutation NewWebhook($input: CreateWebhookInput!) {
  createWebhook(input: $input) {
    __typename
    ... on WebhookWithSecret {
      secret
      webhook { id url types isActive }
    }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const WEBHOOKS = `
# The webhooks, and what was delivered last. Send one
# again with redeliver, or try the receiver with
# sendTestEvent. For administrators.
query Webhooks {
  webhooks {
    id url types isActive disabledReason
    deliveries(first: 10) {
      nodes {
        id status attempts responseStatus problem
        event { type occurredAt }
      }
    }
  }
}
`;

const RESOURCES = `
# Rooms, chairs and devices, and when they are
# open. For staff: needs a token.
query Resources {
  resources(first: 10) {
    totalCount
    nodes {
      id
      name
      kind
      timeZone
      units
      alwaysOpen
      weeklyHours { weekday start end }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const TIME_OFF = `
# A week off, on the provider's own clock. What is
# booked stays, and nothing new is booked. Take it back
# with removeTimeOff. Needs a token of staff.
mutation AddTimeOff($input: AddTimeOffInput!) {
  addTimeOff(input: $input) {
    __typename
    ... on TimeOff { id from until reason provider { name } }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const BUSY_TIMES = `
# What another calendar says about a day: it replaces
# what the same source said about it before. Nothing
# new is booked then. Take the source back with
# removeBusySource. Needs a token of staff.
mutation SetBusyTimes($input: SetBusyTimesInput!) {
  setBusyTimes(input: $input) {
    __typename
    ... on BusySource { id name }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const NEW_BUSY_FEED = `
# Reads a calendar of the provider's every quarter of
# an hour, by its private iCal address: nobody is
# booked at what it says. Needs a token of staff.
mutation AddBusyFeed($input: AddBusyFeedInput!) {
  addBusyFeed(input: $input) {
    __typename
    ... on BusySource { id name url }
    ... on InvalidInputError { field }
    ... on UserError { code message }
  }
}
`;

const SESSIONS = `
# The classes of a week and their bookings. For staff:
# needs a token. The last tabs move one of them and
# cancel another; press “Restore examples” once you
# are signed in, and they name two.
query Sessions($from: DateTime!, $to: DateTime!) {
  sessions(from: $from, to: $to, first: 20) {
    totalCount
    nodes {
      id
      startsAt
      service { name }
      providers { name }
      resources { name }
      seats
      seatsTaken
      isCancelled
      appointments(first: 20) {
        nodes { status seats contact { name email } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const SQUEEZE_IN = `
# Books what is not on offer, for staff: each rule
# that is set aside has a name (HOURS, GRID, NOTICE,
# HORIZON, LIMITS). What is taken stays taken. The
# history says so. Needs a token of staff.
mutation SqueezeIn($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    __typename
    ... on BookingConfirmation {
      appointment {
        id startsAt
        history { kind actor ignored }
      }
    }
    ... on SlotUnavailableError { reasons }
    ... on UserError { code message }
  }
}
`;

const MOVE_SESSION = `
# Moves a class with everybody in it, or nobody.
# Needs a token of staff.
mutation MoveSession($input: RescheduleSessionInput!) {
  rescheduleSession(input: $input) {
    __typename
    ... on Session { id startsAt endsAt seatsTaken }
    ... on SlotUnavailableError { reasons }
    ... on UserError { code message }
  }
}
`;

const CANCEL_SESSION = `
# Cancels a class with every booking in it, at no
# cost to anybody. Needs a token of staff.
mutation CancelSession($input: CancelSessionInput!) {
  cancelSession(input: $input) {
    __typename
    ... on Session { id startsAt isCancelled seatsTaken }
    ... on UserError { code message }
  }
}
`;
