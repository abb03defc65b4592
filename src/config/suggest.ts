/** "Did you mean": the known word nearest to a mistyped one. Pure. */

/** The nearest known word by edit distance (a swap of neighbours counts one), or null when none is near enough. */
export function nearestWord(word: string, known: readonly string[]): string | null {
  const typed = word.toLowerCase();
  const allowed = Math.max(1, Math.floor(Math.min(typed.length, 24) / 3));
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > allowed) continue;
    const distance = editDistance(typed, candidate.toLowerCase());
    if (distance <= allowed && (best === null || distance < best.distance)) best = { word: candidate, distance };
  }
  return best?.word ?? null;
}

/** `did you mean "x"?`, or null. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const nearest = nearestWord(word, known);
  return nearest === null ? null : `did you mean ${JSON.stringify(nearest)}?`;
}

/** `did you mean "x"?`, else the short list of what is known, else null. */
export function meanOrList(word: string, known: readonly string[], what: string): string | null {
  const nearest = didYouMean(word, known);
  if (nearest !== null) return nearest;
  if (known.length === 0) return `there are no ${what}`;
  return known.length <= 20 ? `known ${what}: ${known.join(", ")}` : null;
}

/** Optimal string alignment distance; cost is the product of both lengths. */
function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + same);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
