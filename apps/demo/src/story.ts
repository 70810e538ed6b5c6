/** The story in its order: ten chapters about one tenant, from her first request to her last token. */
import { answerCustomer } from './chapters/answer-customer.ts';
import { answerOnInstagram } from './chapters/answer-on-instagram.ts';
import { askQuestions } from './chapters/ask-questions.ts';
import { clarifyPrompt } from './chapters/clarify-prompt.ts';
import { closeBooks } from './chapters/close-books.ts';
import { compareCounts } from './chapters/compare-counts.ts';
import { extractProducts } from './chapters/extract-products.ts';
import { openAccount } from './chapters/open-account.ts';
import { runOut } from './chapters/run-out.ts';
import { writeQuestions } from './chapters/write-questions.ts';
import { type Client, createClient } from './client.ts';
import type { Addresses } from './installation.ts';
import type { Screen } from './screen.ts';

/** Who takes part, and where. */
export type Cast = {
  screen: Screen;
  addresses: Addresses;
  /** The one whom the story is about. */
  tenant: Client;
  /** Whoever plays Instagram, and reads the model's own book. */
  sandbox: Client;
};

/** @throws Untold at the first step that is not as told */
export async function tellStory(screen: Screen, addresses: Addresses): Promise<void> {
  const sandbox = createClient({ screen, url: addresses.sandbox, who: 'sandbox' });
  const cast: Cast = { screen, addresses, sandbox, tenant: await openAccount(screen, addresses) };
  await clarifyPrompt(cast);
  const aurora = await extractProducts(cast);
  await writeQuestions(cast, aurora);
  await askQuestions(cast);
  await answerCustomer(cast);
  await answerOnInstagram(cast, aurora);
  await compareCounts(cast);
  await runOut(cast);
  await closeBooks(cast);
}
