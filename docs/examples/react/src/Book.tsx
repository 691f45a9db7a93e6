import { useMutation, useQuery } from "@apollo/client/react";
import { useState, type FormEvent } from "react";
import { timeZone } from "./format";
import { graphql } from "./gql";
import { Times } from "./Times";

const PROVIDERS = graphql(`
  query Providers {
    providers(first: 20) { nodes { id name } }
  }
`);

const BOOK = graphql(`
  mutation Book($input: BookAppointmentInput!) {
    bookAppointment(input: $input) {
      __typename
      ... on BookingConfirmation { manageToken appointment { id } }
      ... on InvalidInputError { field }
      ... on UserError { code message }
    }
  }
`);

/** Choose somebody, choose a time, say who you are. */
export function Book({ booked }: { booked: (id: string, manageToken: string) => void }) {
  const { data, error } = useQuery(PROVIDERS);
  const [provider, setProvider] = useState("");
  const [wish, setWish] = useState<{ startsAt: string; idempotencyKey: string }>();
  const [problem, setProblem] = useState<string>();
  const [bookAppointment, { loading }] = useMutation(BOOK);
  const providers = data?.providers?.nodes ?? [];
  const chosen = provider || providers[0]?.id;

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (!wish || !chosen) return;
    const form = new FormData(event.currentTarget);
    const customer = { name: String(form.get("name")), email: String(form.get("email")) };
    try {
      const { data } = await bookAppointment({
        variables: { input: { providerId: chosen, customer, customerTimeZone: timeZone, ...wish } },
      });
      const answer = data?.bookAppointment;
      if (answer?.__typename === "BookingConfirmation") booked(answer.appointment.id, answer.manageToken);
      else setProblem(answer?.message);
    } catch {
      setProblem("We could not reach the server. Try again: nothing is booked twice.");
    }
  }

  if (error) return <p role="alert">{error.message}</p>;
  return (
    <main>
      <h1>Book an appointment</h1>
      <label>
        With
        <select value={chosen} onChange={({ target }) => setProvider(target.value)}>
          {providers.map(({ id, name }) => (
            <option key={id} value={id}>{name}</option>
          ))}
        </select>
      </label>
      {chosen && (
        <Times
          provider={chosen}
          choose={(startsAt) => {
            setProblem(undefined);
            // One key for each decision: repeating the request then can't book twice.
            setWish({ startsAt, idempotencyKey: crypto.randomUUID() });
          }}
        />
      )}
      {wish && (
        <form onSubmit={submit}>
          <h2>{new Date(wish.startsAt).toLocaleString()}</h2>
          <label>Your name <input name="name" required autoComplete="name" /></label>
          <label>E-mail <input name="email" type="email" required autoComplete="email" /></label>
          {problem && <p role="alert">{problem}</p>}
          <button disabled={loading}>Book</button>
        </form>
      )}
    </main>
  );
}
