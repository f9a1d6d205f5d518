/** The HTTP connections to S3, STS and SQS: their limits, and the proxy of the environment. */
import type { AgentOptions } from 'node:https';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { Config } from '../config.ts';

/** A request handler of the AWS SDK, or what it is made from. */
export type HandlerConfig = NonNullable<S3ClientConfig['requestHandler']>;

export interface HttpLimits {
  /** How many connections to one host may be open. */
  maxSockets: number;
  /** How long opening a connection may take, in milliseconds. */
  connectMs: number;
  /** How long an open connection may be idle, in milliseconds: not a limit for a long download. */
  idleMs: number;
}

/**
 * Returns the configuration of a request handler of the AWS SDK. Only clients with such a handler use the proxy: the SDK asks the
 * credential endpoints of machines and containers without one, as it must.
 */
export function handlerConfig(
  proxyEnv: Config['proxyEnv'],
  { maxSockets, connectMs, idleMs }: HttpLimits,
): HandlerConfig {
  const agent: AgentOptions = {
    maxSockets,
    // The timeout is for the proxy's answer to CONNECT. The SDK sets its own on the connection.
    ...(proxyEnv ? { proxyEnv, timeout: connectMs } : {}),
  };
  return { connectionTimeout: connectMs, socketTimeout: idleMs, httpsAgent: agent, httpAgent: agent };
}
