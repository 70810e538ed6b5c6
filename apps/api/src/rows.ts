/** Between rows of the database (camelCase, dates) and JSON bodies (snake_case, ISO 8601). */
import type { z } from '@hono/zod-openapi';

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;
type RowOf<Body> = { [Name in keyof Body & string as Camel<Name>]: Body[Name] | Date };
type Columns<Input> = { [Name in keyof Input as Camel<Name & string>]: Exclude<Input[Name], undefined> };

const camelCase = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** Makes a row's JSON: the schema's fields, each from the column of its name in camelCase, times in ISO 8601. */
export function bodyOf<Shape extends z.ZodRawShape>({ shape }: z.ZodObject<Shape>) {
  type Body = z.infer<z.ZodObject<Shape>>;
  const names = Object.keys(shape).map((name) => [name, camelCase(name)] as const);
  return (row: RowOf<Body>): Body =>
    Object.fromEntries(names.map(([name, column]) => [name, toJson((row as Record<string, unknown>)[column])])) as Body;
}
const toJson = (value: unknown) => (value instanceof Date ? value.toISOString() : value);

/** The columns that an input sets: its fields in camelCase, without those that the client left out. */
export const toColumns = <Input extends object>(input: Input): Columns<Input> =>
  Object.fromEntries(Object.entries(defined(input)).map(([name, value]) => [camelCase(name), value])) as Columns<Input>;

/** Without undefined values: the fields that the client left out. */
export const defined = <Input extends object>(input: Input) =>
  Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Input]?: Exclude<Input[Name], undefined>;
  };
