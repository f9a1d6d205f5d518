/**
 * Writes JSON values as texts of array and composite types, as json_populate_record makes such values
 * (src/backend/utils/adt/jsonfuncs.c: populate_array, populate_composite).
 */
import type { Shape } from '../../table/table.ts';
import { CLOSE_ARRAY, CLOSE_OBJECT, OPEN_ARRAY, OPEN_OBJECT, QUOTE, Scanner } from './scanner.ts';
import { toJsonString, unescapeString } from './unescape.ts';

/** A value that json_populate_record refuses. */
export class ShapeError extends Error {}

/** MAXDIM in src/include/utils/array.h. */
const MAX_DIMENSIONS = 6;

/** Returns the text of the value in `json`, for the input function of a type of that shape; null for NULL. */
export function shapedText(json: Buffer, shape: Shape | null): string | null {
  if (isNull(json)) return null;
  if (json[0] === QUOTE) {
    const text = unescapeString(json.subarray(1, -1));
    return (shape === 'json' ? toJsonString(text) : text).toString();
  }
  if (shape === null || shape === 'json') return json.toString();
  return 'element' in shape ? arrayText(json, shape) : compositeText(json, shape);
}

type ArrayShape = Extract<Shape, { element: unknown }>;
type CompositeShape = Extract<Shape, { fields: unknown }>;

const isNull = (json: Buffer) => json.length === 4 && json.equals(NULL);
const NULL = Buffer.from('null');

function arrayText(json: Buffer, { element, delimiter }: ArrayShape): string {
  if (json[0] !== OPEN_ARRAY) throw new ShapeError('expected JSON array');
  const dimensions = dimensionsOf(json);
  // Before anything is read: a value may have any depth.
  if (dimensions > MAX_DIMENSIONS)
    throw new ShapeError(
      `number of array dimensions (${dimensions}) exceeds the maximum allowed (${MAX_DIMENSIONS})`,
    );
  const sizes: number[] = [];
  let count = 0;
  const write = (items: Buffer[], depth: number): string => {
    if (sizes[depth] !== undefined && sizes[depth] !== items.length)
      throw new ShapeError(
        'malformed JSON array (Multidimensional arrays must have sub-arrays with matching dimensions.)',
      );
    sizes[depth] = items.length;
    const texts = items.map((item) => {
      if (depth + 1 < dimensions) {
        if (item[0] !== OPEN_ARRAY) throw new ShapeError('expected JSON array');
        return write(itemsOf(item), depth + 1);
      }
      count++;
      const text = shapedText(item, element);
      return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`;
    });
    return `{${texts.join(delimiter)}}`;
  };
  const text = write(itemsOf(json), 0);
  return count === 0 ? '{}' : text;
}

/** Returns how deep the first element is that is no array. */
function dimensionsOf(json: Buffer): number {
  const scanner = scannerOf(json);
  let at = 0;
  let dimensions = 0;
  while (json[at] === OPEN_ARRAY) {
    dimensions++;
    at = scanner.space(at + 1);
  }
  return dimensions;
}

function compositeText(json: Buffer, { fields }: CompositeShape): string {
  if (json[0] !== OPEN_OBJECT)
    throw new ShapeError(
      `cannot call populate_composite on ${json[0] === OPEN_ARRAY ? 'an array' : 'a scalar'}`,
    );
  const values = membersOf(json);
  const texts = fields.map(([name, shape]) => {
    const value = values.get(name);
    const text = value === undefined ? null : shapedText(value, shape);
    return text === null ? '' : `"${text.replace(/["\\]/g, '$&$&')}"`;
  });
  return `(${texts.join(',')})`;
}

function scannerOf(json: Buffer): Scanner {
  const scanner = new Scanner();
  scanner.bytes = json;
  scanner.isLast = true;
  return scanner;
}

function itemsOf(json: Buffer): Buffer[] {
  const scanner = scannerOf(json);
  const items: Buffer[] = [];
  let at = scanner.space(1);
  while (json[at] !== CLOSE_ARRAY) {
    const end = scanner.value(at);
    items.push(json.subarray(at, end));
    at = scanner.space(end);
    // After the comma.
    if (json[at] !== CLOSE_ARRAY) at = scanner.space(at + 1);
  }
  return items;
}

function membersOf(json: Buffer): Map<string, Buffer> {
  const scanner = scannerOf(json);
  const members = new Map<string, Buffer>();
  let at = scanner.space(1);
  while (json[at] !== CLOSE_OBJECT) {
    const keyEnd = scanner.string(at + 1);
    const value = scanner.colon(keyEnd);
    const end = scanner.value(value);
    members.set(unescapeString(json.subarray(at + 1, keyEnd - 1)).toString(), json.subarray(value, end));
    at = scanner.space(end);
    if (json[at] !== CLOSE_OBJECT) at = scanner.space(at + 1);
  }
  return members;
}
