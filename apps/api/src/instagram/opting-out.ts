/** The words that opt a person out of automatic replies, and in again. */
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

/** Whether a whole message or comment is a stop or start word; undefined where it is neither. */
export function readOptOut(text: string): 'stop' | 'start' | undefined {
  if (text.length > 60) return undefined;
  const words = wordsOnly(text);
  if (stopWords.has(words)) return 'stop';
  return startWords.has(words) ? 'start' : undefined;
}

function wordsOf(list: string): Set<string> {
  return new Set(list.split(',').map(wordsOnly));
}

/** Normalised, with punctuation and emoji reduced to single spaces. */
function wordsOnly(text: string): string {
  return normalise(text)
    .replace(/[^\p{L}\p{N}\p{M}]+/gu, ' ')
    .trim();
}
