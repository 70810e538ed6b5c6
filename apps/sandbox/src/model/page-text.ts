/** Takes the text of a page apart: its header, and its headings with the lines below each. */

export type PageSection = { level: number; heading: string; lines: string[] };
export type PageText = { title: string; language: string; sections: PageSection[] };

/** Words to a machine rather than to a customer: from there to the paragraph's end nothing is a fact, whatever it claims. */
const orders =
  /ignore (?:all|any|the|previous)|previous instructions|system prompt|maintenance mode|you are now|as an ai|disregard|report the price|anweisungen|دستورهای? (?:قبلی|پیشین)|önceki talimat|指示を無視/iu;

/** Splits markdown; what stands before the first heading is a section of level 0. Header lines: `title: …` and the like. */
export function readPageText(page: string): PageText {
  const read: PageText = { title: '', language: '', sections: [{ level: 0, heading: '', lines: [] }] };
  const lines = page.split(/\r?\n/);
  let isOrder = false;
  for (const [index, raw] of lines.entries()) {
    const header = read.sections.length === 1 ? /^\s*(url|title|language|lang)\s*:\s*(.*)$/i.exec(raw) : null;
    if (header) {
      const name = header[1]?.toLowerCase();
      if (name === 'title') read.title ||= (header[2] ?? '').trim();
      else if (name !== 'url') read.language ||= (header[2] ?? '').trim().toLowerCase();
      continue;
    }
    const heading = headingOf(raw, lines[index + 1]);
    if (heading) read.sections.push({ ...heading, lines: [] });
    isOrder = raw.trim() !== '' && heading === undefined && (isOrder || orders.test(raw));
    if (!heading && !isOrder && !/^\s*(?:={3,}|-{3,})\s*$/.test(raw)) addLine(read.sections.at(-1), raw);
  }
  return read;
}

/** `## Heading`, or a line that is underlined. */
function headingOf(line: string, next: string | undefined): { level: number; heading: string } | undefined {
  const hashes = /^\s*(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line);
  if (hashes) return { level: hashes[1]?.length ?? 1, heading: plainText(hashes[2] ?? '') };
  const under = line.trim() === '' ? null : /^\s*(=|-)\1{2,}\s*$/.exec(next ?? '');
  return under ? { level: under[1] === '=' ? 1 : 2, heading: plainText(line) } : undefined;
}

function addLine(section: PageSection | undefined, raw: string): void {
  const line = plainText(raw);
  if (line !== '') section?.lines.push(line);
}

/** Without markdown: links are their text, pictures and what is struck through are gone. */
function plainText(markdown: string): string {
  return markdown
    .replace(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/~{1,2}[^~]+~{1,2}/g, '')
    .replace(/\*\*|__|`/g, '')
    .replace(/\\([[\]()#*_.!+-])/g, '$1')
    .replace(/^\s*(?:[-*+>]\s+|\d+\.\s{2,})+/, '')
    .trim();
}
