/** An amount in minor units, as money is written here. */
export function money({ amountMinor, currency }: { amountMinor: number; currency: string }): string {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(amountMinor / 10 ** digits);
}

/** `localStart` is a wall clock with its offset: what it reads is what to show. */
export const time = (localStart: string): string => localStart.slice(11, 16);
export const day = (localStart: string): string => localStart.slice(0, 10);

/** Today and some days later, in the browser's zone. */
export function dates(days: number): { from: string; to: string } {
  const iso = (ahead: number) =>
    new Intl.DateTimeFormat("sv-SE").format(new Date(Date.now() + ahead * 86_400_000));
  return { from: iso(0), to: iso(days) };
}

export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
