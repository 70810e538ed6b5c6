/** Pictures of the lamps, drawn: the same name always gets the same one. */
import { createHash } from 'node:crypto';

/** A lamp as SVG in a colour of its own. */
export function lampPicture(name: string): string {
  const [hue = 0, height = 0, width = 0] = createHash('sha256').update(name).digest();
  const [shadeWidth, top] = [120 + width / 2, 150 + height / 3];
  const light = `hsl(${Math.round((hue / 255) * 360)} 45% 62%)`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640" role="img">
<rect width="640" height="640" fill="#efe7d8"/>
<circle cx="320" cy="${top + 90}" r="230" fill="${light}" opacity=".18"/>
<path d="M${320 - shadeWidth / 2} ${top} h${shadeWidth} l50 130 h-${shadeWidth + 100} z" fill="${light}"/>
<rect x="313" y="${top + 130}" width="14" height="${400 - top}" fill="#5b4630"/>
<rect x="240" y="530" width="160" height="18" rx="9" fill="#9a6b3c"/>
</svg>
`;
}
