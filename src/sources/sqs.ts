/** Reads messages of SQS queues. */
import {
  DeleteMessageBatchCommand,
  type DeleteMessageBatchRequestEntry,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import type { Config } from '../config.ts';
import { ConnectorError } from '../errors.ts';
import { limitAnswers } from './answers.ts';
import { type HandlerConfig, handlerConfig } from './http_agents.ts';
import { workerRegion } from './region.ts';

/** The limits of SQS for one request: seconds to wait, and messages. */
export const LONGEST_WAIT_SECONDS = 20;
const MAX_MESSAGES = 10;
/** How long connecting may take, in milliseconds. */
const CONNECT_MS = 10_000;
/** AWS's own hosts of queues, whose names have the region. */
const AWS_ORIGIN = /^https:\/\/sqs(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/;

/** At every request to a queue that is not AWS's, the SDK would warn on stderr that it goes to the host of its URL. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** The settings of the worker for access to queues. */
export type QueueOptions = Pick<Config, 'allowedEndpoints' | 'proxyEnv'>;

export interface QueueMessage {
  body: string;
  receiptHandle: string;
}

/** Queues, read with the worker's own credentials. Those of a region share a client, and all clients share connections. */
export class SqsQueues {
  readonly #allowedEndpoints: readonly string[];
  readonly #credentials: ReturnType<typeof fromNodeProviderChain>;
  /** By region. A request goes to the host in the queue's URL. */
  readonly #clients = new Map<string, SQSClient>();
  #requestHandler: HandlerConfig;

  /** @param maxSockets how many connections to one host may be open */
  constructor({ allowedEndpoints, proxyEnv }: QueueOptions, maxSockets: number) {
    this.#allowedEndpoints = allowedEndpoints;
    // A request is idle for as long as it waits.
    const limits = { maxSockets, connectMs: CONNECT_MS, idleMs: (LONGEST_WAIT_SECONDS + 20) * 1000 };
    this.#requestHandler = handlerConfig(proxyEnv, limits);
    this.#credentials = fromNodeProviderChain({ clientConfig: { requestHandler: this.#requestHandler } });
  }

  /**
   * Returns the next messages, or none after this time, in seconds.
   * @throws ConnectorError `event_queue_not_allowed`
   */
  async receive(url: string, waitSeconds: number, signal: AbortSignal): Promise<QueueMessage[]> {
    const { Messages = [] } = await (await this.#clientOf(url)).send(
      new ReceiveMessageCommand({
        QueueUrl: url,
        WaitTimeSeconds: waitSeconds,
        MaxNumberOfMessages: MAX_MESSAGES,
      }),
      { abortSignal: signal },
    );
    return Messages.map(({ Body = '', ReceiptHandle = '' }) => ({
      body: Body,
      receiptHandle: ReceiptHandle,
    }));
  }

  /** Deletes messages. If that fails, SQS delivers them again, which does no harm. */
  async delete(url: string, messages: QueueMessage[]): Promise<void> {
    const entries = messages.map(
      ({ receiptHandle }, i): DeleteMessageBatchRequestEntry => ({
        Id: String(i),
        ReceiptHandle: receiptHandle,
      }),
    );
    await (await this.#clientOf(url)).send(
      new DeleteMessageBatchCommand({ QueueUrl: url, Entries: entries }),
    );
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
  }

  async #clientOf(url: string): Promise<SQSClient> {
    const { origin } = new URL(url);
    const awsRegion = AWS_ORIGIN.exec(origin)?.[1];
    if (awsRegion === undefined && !this.#allowedEndpoints.includes(origin)) throw notAllowed(url);
    const region = awsRegion ?? (await workerRegion());
    const client = this.#clients.get(region) ?? this.#make(region);
    this.#clients.set(region, client);
    return client;
  }

  #make(region: string): SQSClient {
    const client = new SQSClient({
      region,
      credentials: this.#credentials,
      requestHandler: this.#requestHandler,
      logger: SILENT,
    });
    // The first client makes the handler, which all share.
    this.#requestHandler = client.config.requestHandler;
    return limitAnswers(client);
  }
}

function notAllowed(url: string): ConnectorError {
  return new ConnectorError(
    'event_queue_not_allowed',
    `event_queue_url ${url} is neither at AWS nor at one of the worker's S3_ALLOWED_ENDPOINTS`,
    {
      hint: 'Ask the operator of the worker to add it there. The list keeps connectors away from internal addresses.',
    },
  );
}
