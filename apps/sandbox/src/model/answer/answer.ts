/** What the stand-in model says to a request, as a small model would: sentences and values that stand in its prompt. */
import { type ChatRequest, wantsJson } from '../request.ts';
import { countTokens, cutToTokens } from '../tokens.ts';
import { type Filling, fillSchema } from './fill.ts';
import { findAnswer } from './find.ts';
import { readMaterial } from './material.ts';

const greeting = /^(?:hi|hello|hey|hallo|merhaba|سلام|مرحبا|こんにちは)(?!\p{L})/iu;
const notInMaterial = 'I am sorry, but the material I was given does not say that. Shall I ask a colleague?';
const quotedChars = 200;
/** One token wherever it follows a word, and no more than that. */
const filler = ' ok';
/** So much more is cut than must be, for padding to end it: only padding fits to the token. */
const slackTokens = 4;
const fittingRounds = 4;

/** The content of the answer, in the format asked for; of `tokens` tokens, or as near as its format allows. */
export function writeAnswer(request: ChatRequest, tokens: number | null): string {
  const answer = think(request);
  const schema = readSchema(request);
  const write = (filling: Filling): string => {
    if (!wantsJson(request)) return filling.said + filling.padding;
    return JSON.stringify(schema ? fillSchema(schema, filling) : { answer: filling.said + filling.padding });
  };
  if (tokens === null) return write(answer);
  const isTooLarge = countTokens(write(answer)) > tokens;
  const said = wantsJson(request) ? '' : cutToTokens(answer.said, Math.max(0, tokens - slackTokens));
  // JSON that is too large is filled as if nothing were known.
  const filling = isTooLarge ? { ...answer, said, text: '', sources: [] } : answer;
  return padTo(tokens, (padding) => write({ ...filling, padding }));
}

/** What `render` makes of so much padding that it has `tokens` tokens. */
function padTo(tokens: number, render: (padding: string) => string): string {
  let [text, fillers] = [render(''), 0];
  for (let round = 0; round < fittingRounds && countTokens(text) !== tokens; round += 1) {
    fillers = Math.max(0, fillers + tokens - countTokens(text));
    text = render(filler.repeat(fillers));
  }
  return text;
}

function think({ messages }: ChatRequest): Filling {
  const material = readMaterial(messages);
  const { text, question, cites } = material;
  const filling = { ...material, known: true, sources: [], padding: '' };
  const quoted = question.slice(0, quotedChars).toWellFormed();
  if (text === '')
    return { ...filling, said: `You said: "${quoted}". I am the sandbox model and know only what I am given.` };
  const found = findAnswer(material);
  const greets = greeting.test(question) ? 'Hello! ' : '';
  if (found.length === 0)
    return { ...filling, known: false, said: greets === '' ? notInMaterial : `${greets}How can I help you?` };
  const sentences = found.map(({ text, source }) => (cites && source !== undefined ? `${text} [${source}]` : text));
  const sources = [...new Set(found.flatMap(({ source }) => source ?? []))];
  return { ...filling, said: greets + sentences.join(' '), sources };
}

/** The schema of the answer: the format's, or the first line of the prompt that is one where the format is any JSON. */
function readSchema({ response_format: format, messages }: ChatRequest): Record<string, unknown> | undefined {
  if (format?.type !== 'json_object') return format?.type === 'json_schema' ? format.json_schema.schema : undefined;
  const [line] = messages.flatMap(({ content }) => /^\{.*"properties":.*\}$/m.exec(content) ?? []);
  return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>);
}
