// Which free times a calendar shows: a query for a month, and the subscription that keeps it up to date.
// Every query answers with { asked: { free, next } }, every subscription with { change: { date, slots } }; one without
// slots only says that it is time to ask again.

const DAYS = "days { date slots { startsAt localStart } }";
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
    slots { startsAt localStart }
  }
}`;

const OF_SERVICE = `query Month($service: ID!, $providers: [ID!], $from: Date!, $to: Date!, $zone: TimeZone!, $after: DateTime!) {
  asked: service(id: $service) {
    free: availability(from: $from, to: $to, timeZone: $zone, providerIds: $providers) {
      ... on ServiceAvailability { ${DAYS} }
      ${REFUSED}
    }
    next: nextAvailableSlot(after: $after, timeZone: $zone, providerIds: $providers) { localStart }
  }
}`;
const CHANGES_OF_SERVICE = `subscription Changes($service: ID!, $providers: [ID!], $from: Date!, $to: Date!, $zone: TimeZone!) {
  change: serviceAvailabilityChanges(serviceId: $service, providerIds: $providers, from: $from, to: $to, timeZone: $zone) {
    date
    slots { startsAt localStart }
  }
}`;

const OF_MOVES = `query Month($appointment: ID!, $from: Date!, $to: Date!, $zone: TimeZone!) {
  asked: appointment(id: $appointment) {
    free: rescheduleAvailability(from: $from, to: $to, timeZone: $zone) {
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

/** Times of this provider; with a service, those at which they can lead it; without a provider, those of any free provider. */
export function timesOf(providerId, serviceId) {
  const key = `${providerId} ${serviceId}`;
  if (!serviceId) return { key, month: OF_PROVIDER, changes: CHANGES_OF_PROVIDER, variables: { provider: providerId } };
  const variables = { service: serviceId, providers: providerId ? [providerId] : null };
  return { key, month: OF_SERVICE, changes: CHANGES_OF_SERVICE, variables };
}

/** Times to which this appointment can be moved, the one that it has left out. */
export const movesOf = ({ id, startsAt, provider, service }) => ({
  key: id,
  month: OF_MOVES,
  changes: service ? NEWS_OF_SERVICE : NEWS_OF_PROVIDER,
  variables: { appointment: id, provider: provider.id, service: service?.id },
  without: startsAt,
});
