/** Remembers what was worked out of a text: tests and benchmarks send the same prompts again and again. */

/** How many texts are remembered, and how long one may be: together, the most that a memory can hold. */
export type MemoryLimits = { maxTexts: number; maxChars: number };

/** `make`, called once per text while that is among the `maxTexts` used last; longer texts are never kept. */
export function remember<Value>(
  { maxTexts, maxChars }: MemoryLimits,
  make: (text: string) => Value,
): (text: string) => Value {
  const kept = new Map<string, { value: Value }>();
  return (text) => {
    if (text.length > maxChars) return make(text);
    const known = kept.get(text);
    const made = known ?? { value: make(text) };
    // Deleting first moves the text to the end of the map, so that the first one is the longest unused.
    if (known) kept.delete(text);
    else if (kept.size >= maxTexts) kept.delete(kept.keys().next().value ?? '');
    kept.set(text, made);
    return made.value;
  };
}
