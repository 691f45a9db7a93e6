import { useMutation, useQuery } from "@apollo/client/react";
import { graphql } from "./gql";

const APPOINTMENT = graphql(`
  query Appointment($id: ID!) {
    appointment(id: $id) {
      id status version startsAt localStart customerTimeZone
      provider { id name }
      cancellationQuote { allowed freeUntil fee { amountMinor currency } }
    }
  }
`);

const CANCEL = graphql(`
  mutation Cancel($input: CancelAppointmentInput!) {
    cancelAppointment(input: $input) {
      __typename
      ... on Appointment { id status version cancellationQuote { allowed freeUntil fee { amountMinor currency } } }
      ... on UserError { code message }
    }
  }
`);

const MOVE = graphql(`
  mutation Move($input: RescheduleAppointmentInput!) {
    rescheduleAppointment(input: $input) {
      __typename
      ... on BookingConfirmation { appointment { id version startsAt localStart } }
      ... on SlotUnavailableError { alternatives { startsAt localStart } }
      ... on UserError { code message }
    }
  }
`);

/** One appointment, and what its customer may do with it. Needs a client that has its manage token. */
export function useAppointment(id: string) {
  const { data, error, refetch } = useQuery(APPOINTMENT, { variables: { id } });
  const [cancelAppointment] = useMutation(CANCEL);
  const [rescheduleAppointment] = useMutation(MOVE);
  const appointment = data?.appointment;

  /** Cancels for the fee that the customer saw, and for no other. Returns what to say, or nothing. */
  async function cancel(): Promise<string | undefined> {
    const { data } = await cancelAppointment({
      variables: {
        input: {
          appointmentId: id,
          expectedVersion: appointment?.version,
          acceptFeeMinor: appointment?.cancellationQuote?.fee?.amountMinor ?? 0,
        },
      },
    });
    const answer = data?.cancelAppointment;
    if (answer?.__typename === "Appointment") return undefined;
    await refetch(); // it changed, or it costs something by now: show how it is, and let them decide
    return answer?.message;
  }

  /** Moves it. `idempotencyKey`: one for each decision, the same when the request is repeated. */
  async function move(startsAt: string, idempotencyKey: string): Promise<string | undefined> {
    const { data } = await rescheduleAppointment({
      variables: { input: { appointmentId: id, startsAt, idempotencyKey } },
    });
    const answer = data?.rescheduleAppointment;
    if (answer?.__typename === "BookingConfirmation") await refetch(); // the quote depends on the time
    else return answer?.message;
  }

  return { appointment, problem: error?.message, cancel, move };
}
