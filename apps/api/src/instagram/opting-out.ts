/** The words by which people ask for no more automatic replies, and for them again. */
import { normalise } from '@tally/db';

const stopWords = wordsOf(
  'stop, stop all, unsubscribe, opt out, optout, cancel messages, لغو, توقف, لغو عضویت, إلغاء, الغاء, ایست, إيقاف, ' +
    'stopp, abmelden, arrêter, arrêt, désinscrire, parar, alto, baja, sair, cancelar, basta, iptal, dur, durdur, afmelden, ' +
    'avsluta, 停止, 配信停止, 退订, стоп, отписаться',
);
const startWords = wordsOf(
  'start, subscribe, unstop, شروع, آغاز, ابدأ, ابدا, بدء, starten, anmelden, commencer, démarrer, iniciar, empezar, começar, ' +
    'inizia, başla, başlat, 開始, 再開, 开始, старт, подписаться',
);

/** What a whole message or comment asks for; undefined where it is no such word. */
export function readOptOut(text: string): 'stop' | 'start' | undefined {
  if (text.length > 60) return undefined;
  const said = bare(text);
  if (stopWords.has(said)) return 'stop';
  return startWords.has(said) ? 'start' : undefined;
}

function wordsOf(list: string): Set<string> {
  return new Set(list.split(',').map(bare));
}

/** Without case, letter forms, and what stands around the words. */
function bare(text: string): string {
  return normalise(text)
    .replace(/[^\p{L}\p{N}\p{M}]+/gu, ' ')
    .trim();
}
