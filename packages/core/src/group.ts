/** Groups concurrent calls of a kind into one: one batch in flight, the next leaves the moment it is back. */

type GroupOptions = { maxBatch?: number; retryAlone?: (error: unknown) => boolean };

type Waiting<Input, Output> = {
  input: Input;
  resolve: (output: Output) => void;
  reject: (error: unknown) => void;
};

/**
 * Returns a function that hands its input to `run` together with the inputs of all calls made while the
 * previous batch was under way. An idle group runs at once: nothing waits on a timer.
 *
 * @param run gets 1 to `maxBatch` inputs and returns one output for each, in order. When it throws on a batch of
 *   several, each input is run alone, so that one bad row fails only its own caller. It must therefore be
 *   all-or-nothing, or safe to repeat.
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
      // Whose answer is whose can't be told any more: rather none than another one's.
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
    // One turn of the microtask queue: calls made by the same event travel together.
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

/** Like {@link group}, but only calls of one key travel together: what one key's batch takes holds up no other's. */
export function groupByKey<Input, Output>(
  keyOf: (input: Input) => string,
  run: (inputs: Input[]) => Promise<Output[]>,
  options: GroupOptions = {},
): (input: Input) => Promise<Output> {
  const lanes = new Map<string, { call: (input: Input) => Promise<Output>; open: number }>();
  return async (input) => {
    const key = keyOf(input);
    const lane = lanes.get(key) ?? { call: group(run, options), open: 0 };
    lanes.set(key, lane);
    lane.open++;
    try {
      return await lane.call(input);
    } finally {
      lane.open--;
      if (lane.open === 0) lanes.delete(key);
    }
  };
}
