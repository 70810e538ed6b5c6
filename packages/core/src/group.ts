/** Batches concurrent calls: one batch is in flight at a time, and the next starts as soon as it returns. */

type GroupOptions = { maxBatch?: number; retryAlone?: (error: unknown) => boolean };

type Waiting<Input, Output> = {
  input: Input;
  resolve: (output: Output) => void;
  reject: (error: unknown) => void;
};

/**
 * Returns a function that passes its input to `run` together with the inputs of all calls made while the
 * previous batch was in flight. An idle group runs at once, without a timer.
 *
 * @param run gets 1 to `maxBatch` inputs and returns one output for each, in order. When it throws on a batch of
 *   several, each input is run alone, so that one bad input fails only its own caller. It must therefore be
 *   atomic or safe to repeat.
 */
export function group<Input, Output>(
  run: (inputs: Input[]) => Promise<Output[]>,
  { maxBatch = 128, retryAlone = () => true }: GroupOptions = {},
): (input: Input) => Promise<Output> {
  let queue: Waiting<Input, Output>[] = [];
  let busy = false;

  async function settle(batch: Waiting<Input, Output>[]): Promise<void> {
    try {
      const outputs = await run(batch.map((waiting) => waiting.input));
      // The outputs can't be assigned to their callers, so all calls fail rather than get another call's output.
      if (outputs.length !== batch.length) throw new Error(`${outputs.length} answers to a batch of ${batch.length}`);
      for (const [i, waiting] of batch.entries()) waiting.resolve(outputs[i] as Output);
    } catch (error) {
      if (batch.length === 1 || !retryAlone(error)) {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      for (const waiting of batch) await settle([waiting]);
    }
  }

  async function drain(): Promise<void> {
    busy = true;
    // Wait one microtask, so that calls made in the same tick share a batch.
    await null;
    while (queue.length > 0) {
      const batch = queue.slice(0, maxBatch);
      queue = queue.slice(maxBatch);
      await settle(batch);
    }
    busy = false;
  }

  return (input) =>
    new Promise<Output>((resolve, reject) => {
      queue.push({ input, resolve, reject });
      if (!busy) void drain();
    });
}

/** Like {@link group}, with separate batches per key, so that a slow batch of one key delays no other key. */
export function groupByKey<Input, Output>(
  keyOf: (input: Input) => string,
  run: (inputs: Input[]) => Promise<Output[]>,
  options: GroupOptions = {},
): (input: Input) => Promise<Output> {
  const groups = new Map<string, { call: (input: Input) => Promise<Output>; open: number }>();
  return async (input) => {
    const key = keyOf(input);
    const ofKey = groups.get(key) ?? { call: group(run, options), open: 0 };
    groups.set(key, ofKey);
    ofKey.open++;
    try {
      return await ofKey.call(input);
    } finally {
      ofKey.open--;
      if (ofKey.open === 0) groups.delete(key);
    }
  };
}
