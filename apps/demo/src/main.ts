/** `npm run demo`: starts an installation, tells the story in ten chapters, and removes the installation. */
import { styleText } from 'node:util';
import { chapters } from './chapters.ts';
import { StepFailed } from './client.ts';
import { startInstallation } from './installation.ts';
import { print, showProgress } from './output.ts';

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => abort.abort(new StepFailed(`Stopped by ${signal}.`)));
// Without a listener, a closed pipe (`npm run demo | head`) would end this process before the installation.
process.stdout.on('error', () => abort.abort(new StepFailed('The output was closed.')));
const installation = startInstallation(process.env, abort);

print(
  `${styleText('bold', 'Tally in ten chapters: an account from its registration to its last token')}

Lea runs a lamp shop in Lisbon. Tally answers her customers, and never uses a token that she does not have. Each step is \
a public HTTP request; the demo stops at the first answer that is not as expected. It runs on its own installation in \
${installation.folder}, with a sandbox in place of the model, Instagram and the shop: no network, no keys.\n`,
  '',
);
let place = 'before its first chapter';
try {
  const { api, sandbox, shop } = await installation.ready;
  const client = (name: string, url: string) => ({ name, url, stop: abort.signal });
  const [lea, operator] = [client('Lea', api), client('operator', api)];
  const story = { lea, operator, sandbox: client('sandbox', sandbox), shop };
  for (const [i, [title, play]] of Object.entries(chapters).entries()) {
    place = `in chapter ${i + 1}`;
    print(styleText(['bold', 'cyan'], title), `\n${i + 1}. `);
    await play(story);
  }
} catch (error) {
  process.exitCode = 1;
  const failure = abort.signal.reason ?? error;
  print(styleText(['bold', 'red'], `\nThe demo stopped ${place}:`), '');
  print(`${failure instanceof StepFailed ? failure.message : (failure as Error).stack}\n`, '');
}
await showProgress('Stopping everything', installation.stop());
if (process.exitCode !== 1) {
  const seconds = Math.round(performance.now() / 1_000);
  print(`\nEvery step was as told: 10 chapters in ${seconds} s. All of it is stopped and removed again.`, '');
}
