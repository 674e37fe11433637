const HOUR = 3_600_000;

/** Of each zone one formatter: making one takes a hundred times as long as using it. */
const formatters = new Map<string, Intl.DateTimeFormat>();

/** What a zone's clocks are ahead of GMT at an instant (both in milliseconds). Throws a RangeError for an unknown zone. */
export function offsetAt(timezone: string, instant: number): number {
  const written = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(formatterOf(timezone).format(instant));
  const [, sign = "+", hours = "0", minutes = "0", seconds = "0"] = written ?? [];
  const size = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  return sign === "-" ? -size : size;
}

/**
 * The instant at which a zone's clocks show a local time, which is written as if it were GMT. A time that they skip
 * counts with the offset before the change; one that they show twice is the first of the two. Of a local day that does
 * not exist (Pacific/Apia had no 30 December 2011) the times are therefore those of the day after it.
 */
export function instantOf(timezone: string, local: number): number {
  // No zone is a day from GMT or changes twice within two days, so that these are the offsets around any change.
  const candidates = [-24, 24].map((hours) => local - offsetAt(timezone, local + hours * HOUR));
  const shown = candidates.filter((instant) => instant + offsetAt(timezone, instant) === local);
  return shown.length > 0 ? Math.min(...shown) : Math.max(...candidates);
}

/** Whether Node.js knows a time zone, by its own data and not by the server's. */
export function isKnownZone(timezone: string): boolean {
  try {
    formatterOf(timezone);
    return true;
  } catch {
    return false;
  }
}

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone) ?? new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  formatters.set(timeZone, known);
  return known;
}
