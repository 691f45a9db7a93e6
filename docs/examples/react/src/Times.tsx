import { dates, time, timeZone } from "./format";
import { useFreeTimes } from "./useFreeTimes";

/** A week of free times; calls `choose` with the one that is clicked. */
export function Times({ provider, choose }: { provider: string; choose: (startsAt: string) => void }) {
  const { days, problem } = useFreeTimes({ provider, timeZone, ...dates(7) });
  if (problem) return <p role="alert">{problem}</p>;
  if (!days) return <p>Loading …</p>;
  return (
    <ol className="days">
      {days.map(({ date, slots }) => (
        <li key={date}>
          <h3>{date}</h3>
          {slots.length === 0 && <p>Nothing is free.</p>}
          {slots.map(({ startsAt, localStart }) => (
            <button key={startsAt} value={startsAt} onClick={() => choose(startsAt)}>
              {time(localStart)}
            </button>
          ))}
        </li>
      ))}
    </ol>
  );
}
