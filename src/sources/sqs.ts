/** Reads messages of an SQS queue. */
import {
  DeleteMessageBatchCommand,
  type DeleteMessageBatchRequestEntry,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { ConnectorError } from '../errors.ts';
import { limitAnswers } from './answers.ts';

/** The limits of SQS for one request: seconds to wait, and messages. */
const WAIT_SECONDS = 20;
const MAX_MESSAGES = 10;
/** AWS's own hosts of queues, whose names have the region. */
const AWS_ORIGIN = /^https:\/\/sqs(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/;

export interface QueueMessage {
  body: string;
  receiptHandle: string;
}

/** A queue, read with the worker's own credentials. */
export class EventQueue {
  readonly #client: SQSClient;
  readonly #url: string;

  /** @throws ConnectorError `event_queue_not_allowed` */
  constructor(url: string, allowedEndpoints: readonly string[]) {
    const { origin } = new URL(url);
    const region = AWS_ORIGIN.exec(origin)?.[1];
    if (region === undefined && !allowedEndpoints.includes(origin)) throw notAllowed(url);
    this.#url = url;
    const client = new SQSClient({
      region: region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
      credentials: fromNodeProviderChain(),
      // In milliseconds. A request is idle for as long as it waits.
      requestHandler: { connectionTimeout: 10_000, socketTimeout: (WAIT_SECONDS + 20) * 1000 },
    });
    this.#client = limitAnswers(client);
  }

  /** Returns the next messages, or none after WAIT_SECONDS. */
  async receive(signal: AbortSignal): Promise<QueueMessage[]> {
    const { Messages = [] } = await this.#client.send(
      new ReceiveMessageCommand({
        QueueUrl: this.#url,
        WaitTimeSeconds: WAIT_SECONDS,
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
  async delete(messages: QueueMessage[]): Promise<void> {
    const entries = messages.map(
      ({ receiptHandle }, i): DeleteMessageBatchRequestEntry => ({
        Id: String(i),
        ReceiptHandle: receiptHandle,
      }),
    );
    await this.#client.send(new DeleteMessageBatchCommand({ QueueUrl: this.#url, Entries: entries }));
  }

  close(): void {
    this.#client.destroy();
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
