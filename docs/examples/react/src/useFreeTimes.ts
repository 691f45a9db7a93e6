import { useQuery } from "@apollo/client/react";
import { useEffect } from "react";
import { graphql } from "./gql";

const FREE_TIMES = graphql(`
  query FreeTimes($provider: ID!, $from: Date!, $to: Date!, $timeZone: TimeZone!) {
    provider(id: $provider) {
      id
      availability(from: $from, to: $to, timeZone: $timeZone) {
        __typename
        ... on Availability { days { date slots { startsAt localStart } } }
        ... on UserError { code message }
      }
    }
  }
`);

const CHANGES = graphql(`
  subscription Changes($provider: ID!, $from: Date!, $to: Date!, $timeZone: TimeZone!) {
    availabilityChanges(providerIds: [$provider], from: $from, to: $to, timeZone: $timeZone) {
      date
      slots { startsAt localStart }
    }
  }
`);

export interface Wanted {
  provider: string;
  from: string;
  to: string;
  timeZone: string;
}

/** The free times of each date, kept up to date by a subscription. */
export function useFreeTimes({ provider, from, to, timeZone }: Wanted) {
  const { data, error, subscribeToMore } = useQuery(FREE_TIMES, {
    variables: { provider, from, to, timeZone },
  });

  useEffect(
    () =>
      subscribeToMore({
        document: CHANGES,
        variables: { provider, from, to, timeZone },
        // Each event holds all free times of one date: replace that date.
        updateQuery(_, { subscriptionData, complete, previousData }) {
          const change = subscriptionData.data?.availabilityChanges;
          if (!complete || !change) return undefined;
          const availability = previousData.provider?.availability;
          if (availability?.__typename !== "Availability") return undefined;
          const days = availability.days.map((day) =>
            day.date === change.date ? { ...day, slots: change.slots } : day,
          );
          return { ...previousData, provider: { ...previousData.provider!, availability: { ...availability, days } } };
        },
      }),
    [subscribeToMore, provider, from, to, timeZone],
  );

  const availability = data?.provider?.availability;
  if (availability?.__typename === "Availability") return { days: availability.days };
  return { days: undefined, problem: availability?.message ?? error?.message };
}
