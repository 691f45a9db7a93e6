import { useState } from "react";
import { day, money, time } from "./format";
import { Times } from "./Times";
import { useAppointment } from "./useAppointment";

/** One appointment, for anyone who has its link: see it, move it, cancel it. */
export function Manage({ id }: { id: string }) {
  const { appointment, problem, cancel, move } = useAppointment(id);
  const [moving, setMoving] = useState(false);
  const [said, setSaid] = useState<string>();

  if (problem) return <p role="alert">{problem}</p>;
  if (!appointment) return <p>Loading …</p>;
  const { localStart, customerTimeZone, status, provider, cancellationQuote: quote } = appointment;
  const fee = quote?.fee?.amountMinor ? money(quote.fee) : undefined;
  return (
    <main>
      <h1>{status === "CANCELLED" ? "Cancelled" : "You are booked"}</h1>
      <p id="when">
        {day(localStart)}, {time(localStart)} ({customerTimeZone}), with {provider.name}
      </p>
      {said && <p role="alert">{said}</p>}
      {status === "CONFIRMED" && (
        <>
          <button onClick={() => setMoving(!moving)}>Change the time</button>
          <button disabled={!quote?.allowed} onClick={async () => setSaid(await cancel())}>
            {fee ? `Cancel for ${fee}` : "Cancel free of charge"}
          </button>
          {quote?.allowed && !fee && <p>Free until {new Date(quote.freeUntil).toLocaleString()}.</p>}
          {moving && (
            <Times
              provider={provider.id}
              choose={async (startsAt) => {
                const refused = await move(startsAt, crypto.randomUUID());
                setSaid(refused);
                if (!refused) setMoving(false);
              }}
            />
          )}
        </>
      )}
    </main>
  );
}
