/** Whether a worker runs the transforms of connectors. */
import { ConnectorError } from '../errors.ts';
import type { FormatSettings, FormatTools } from './format.ts';

/** @throws ConnectorError `transform_not_allowed` */
export function requireTransforms(
  { transform }: Pick<FormatSettings, 'transform'>,
  { config }: Pick<FormatTools, 'config'>,
): void {
  if (transform === null || config.allowTransform) return;
  throw new ConnectorError('transform_not_allowed', 'this worker runs no transforms', {
    hint: "Set transform of the connector to null. Or ask the worker's operator to set ALLOW_TRANSFORM to true, then retry the file.",
  });
}
