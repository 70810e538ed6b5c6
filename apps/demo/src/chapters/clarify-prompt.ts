/** A rough prompt becomes a clear one, which all later answers follow. */
import { z } from 'zod';
import { resultOf } from '../client.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Cast } from '../story.ts';

const rough = 'be nice, we sell lamps, never promise a discount';
const Enhanced = z.object({ prompt: z.string(), version: z.int() });
const Current = z.object({ prompt: z.object({ version: z.int(), text: z.string() }) });

export async function clarifyPrompt({ screen, tenant }: Cast): Promise<void> {
  screen.chapter(
    'A rough prompt becomes a clear one',
    'Lea says in her own words how her customers are to be answered. The prompt is kept in versions; the one in use goes ' +
      'along with every answer from now on.',
  );
  const business = 'Lumière & Oak, a lamp workshop of six people in Lisbon';
  const job = await tenant.run('/api/web-knowledge/generate-prompt', { prompt: rough, business });
  const { prompt, version } = resultOf(job, Enhanced);
  screen.answer(`version ${version}`, job.tokens_consumed);
  screen.note(prompt);
  expectEqual('The version', version, 1);
  expectThat('the prompt keeps the wish about discounts', /discount/i.test(prompt), prompt);
  expectThat('a model call costs tokens', job.tokens_consumed > 0, job.tokens_consumed);
  const { prompt: current } = await tenant.quiet.get('/api/prompt', Current);
  expectEqual('The prompt in use', current, { version, text: prompt });
}
