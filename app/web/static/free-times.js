// Which free times a calendar shows: a query for a month, and the subscription that keeps it up to date.
// Every query answers with { asked: { free, next } }, every subscription with { change: { date, slots } }; one without
// slots only says that it is time to ask again.

const SLOTS = "slots { startsAt localStart seatsLeft }";
const DAYS = `days { date ${SLOTS} }`;
const REFUSED = `__typename
      ... on TemporarilyUnavailableError { retryAfterSeconds }
      ... on UserError { message }`;

const OF_PROVIDER = `query Month($provider: ID!, $from: Date!, $to: Date!, $zone: TimeZone!, $after: DateTime!) {
  asked: provider(id: $provider) {
    free: availability(from: $from, to: $to, timeZone: $zone) {
      ... on Availability { ${DAYS} }
      ${REFUSED}
    }
    next: nextAvailableSlot(after: $after, timeZone: $zone) { localStart }
  }
}`;
const CHANGES_OF_PROVIDER = `subscription Changes($provider: ID!, $from: Date!, $to: Date!, $zone: TimeZone!) {
  change: availabilityChanges(providerIds: [$provider], from: $from, to: $to, timeZone: $zone) {
    date
    ${SLOTS}
  }
}`;

const OF_SERVICE = `query Month($service: ID!, $providers: [ID!], $seats: Int!, $from: Date!, $to: Date!, $zone: TimeZone!, $after: DateTime!) {
  asked: service(id: $service) {
    free: availability(from: $from, to: $to, timeZone: $zone, providerIds: $providers, seats: $seats) {
      ... on ServiceAvailability { ${DAYS} }
      ${REFUSED}
    }
    next: nextAvailableSlot(after: $after, timeZone: $zone, providerIds: $providers, seats: $seats) { localStart }
  }
}`;
const CHANGES_OF_SERVICE = `subscription Changes($service: ID!, $providers: [ID!], $seats: Int!, $from: Date!, $to: Date!, $zone: TimeZone!) {
  change: serviceAvailabilityChanges(serviceId: $service, providerIds: $providers, seats: $seats, from: $from, to: $to, timeZone: $zone) {
    date
    ${SLOTS}
  }
}`;

const OF_MOVES = `query Month($appointment: ID!, $seats: Int!, $from: Date!, $to: Date!, $zone: TimeZone!) {
  asked: appointment(id: $appointment) {
    free: rescheduleAvailability(from: $from, to: $to, timeZone: $zone, seats: $seats) {
      ... on ServiceAvailability { ${DAYS} }
      ${REFUSED}
    }
  }
}`;
const NEWS_OF_PROVIDER = `subscription News($provider: ID!, $from: Date!, $to: Date!, $zone: TimeZone!) {
  change: availabilityChanges(providerIds: [$provider], from: $from, to: $to, timeZone: $zone) { isSnapshot }
}`;
const NEWS_OF_SERVICE = `subscription News($service: ID!, $from: Date!, $to: Date!, $zone: TimeZone!) {
  change: serviceAvailabilityChanges(serviceId: $service, from: $from, to: $to, timeZone: $zone) { isSnapshot }
}`;

/**
 * Times of this provider; with a service, those at which they can lead it; without a provider, those of any free provider.
 * Each has room for this many people: a service with one seat has no times for more.
 */
export function timesOf(providerId, serviceId, seats) {
  const key = `${providerId} ${serviceId} ${seats}`;
  if (!serviceId) return { key, month: OF_PROVIDER, changes: CHANGES_OF_PROVIDER, variables: { provider: providerId } };
  const variables = { service: serviceId, providers: providerId ? [providerId] : null, seats };
  return { key, month: OF_SERVICE, changes: CHANGES_OF_SERVICE, variables };
}

/** Times to which this appointment can be moved with this many seats; its own time only if the number of seats changes. */
export const movesOf = ({ id, startsAt, provider, service, seats: booked }, seats) => ({
  key: `${id} ${seats}`,
  month: OF_MOVES,
  changes: service ? NEWS_OF_SERVICE : NEWS_OF_PROVIDER,
  variables: { appointment: id, seats, provider: provider.id, service: service?.id },
  without: seats === booked ? startsAt : null,
});
