/** SQS queues in memory, for tests. It speaks the JSON protocol, and does not verify signatures. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A running server. A queue exists as soon as somebody names it. */
export interface SqsServer {
  /** For example `http://127.0.0.1:34567`. */
  readonly endpoint: string;
  /** The URL of the queue new-files. */
  readonly url: string;
  /** The number of messages that were neither received nor deleted. */
  readonly waiting: number;
  /** The number of messages that were not deleted. */
  readonly kept: number;
  /** The most requests for messages that were answered at the same time. */
  readonly mostReceiving: number;
  /** Returns the number of messages of one queue that were not deleted. */
  keptIn(url: string): number;
  /** Returns the URL of another queue. */
  urlOf(queue: string): string;
  send(body: string, url?: string): void;
  /** Responds to that many requests with status 503. */
  fail(requests: number): void;
  /** Delivers the messages again that were received and not deleted, as after the visibility timeout. */
  redeliver(): void;
  close(): Promise<void>;
}

interface Message {
  /** The URL of its queue. */
  queue: string;
  body: string;
  /** Null until the message is received. */
  receipt: string | null;
}

/** `gone` is aborted when the client has closed the connection. */
type Action = (request: Record<string, unknown>, gone: AbortSignal) => unknown;

/** Starts a server. There is no visibility timeout: a received message is delivered again only after `redeliver`. */
export async function startSqsServer(): Promise<SqsServer> {
  const messages: Message[] = [];
  let failures = 0;
  const arrived: (() => void)[] = [];

  let receiving = 0;
  let mostReceiving = 0;

  const receive: Action = async (request, gone) => {
    receiving++;
    mostReceiving = Math.max(mostReceiving, receiving);
    return await receiveNext(request, gone).finally(() => receiving--);
  };
  const receiveNext = async (request: Record<string, unknown>, gone: AbortSignal) => {
    const { QueueUrl, WaitTimeSeconds = 0, MaxNumberOfMessages = 1 } = request;
    const waiting = () => messages.filter(({ queue, receipt }) => queue === QueueUrl && receipt === null);
    const until = Date.now() + Number(WaitTimeSeconds) * 1000;
    while (waiting().length === 0 && Date.now() < until) await arrival(until - Date.now());
    const taken = gone.aborted ? [] : waiting().slice(0, Number(MaxNumberOfMessages));
    for (const message of taken) message.receipt = randomUUID();
    return {
      Messages: taken.map(({ body, receipt }) => ({
        MessageId: receipt,
        ReceiptHandle: receipt,
        Body: body,
        MD5OfBody: createHash('md5').update(body).digest('hex'),
      })),
    };
  };
  const arrival = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      arrived.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  const remove: Action = ({ Entries }) => {
    const entries = Entries as { Id: string; ReceiptHandle: string }[];
    for (const { ReceiptHandle } of entries) {
      const index = messages.findIndex(({ receipt }) => receipt === ReceiptHandle);
      if (index !== -1) messages.splice(index, 1);
    }
    return { Successful: entries.map(({ Id }) => ({ Id })), Failed: [] };
  };
  const actions: Record<string, Action> = { ReceiveMessage: receive, DeleteMessageBatch: remove };

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
    const action = actions[String(request.headers['x-amz-target']).replace('AmazonSQS.', '')];
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const answer = (status: number, reply: unknown) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
      response.end(JSON.stringify(reply));
    };
    if (failures > 0) {
      failures--;
      answer(503, { __type: 'com.amazonaws.sqs#ServiceUnavailable', message: 'ordered' });
    } else if (action) answer(200, await action(body, gone.signal));
    else
      answer(400, {
        __type: 'com.amazonaws.sqs#InvalidAction',
        message: 'the test server does not support this action',
      });
  };
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  // A connection that is closed while a request is on its way costs the client a retry.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const urlOf = (queue: string) => `${endpoint}/123456789012/${queue}`;
  return {
    endpoint,
    url: urlOf('new-files'),
    urlOf,
    get mostReceiving() {
      return mostReceiving;
    },
    get waiting() {
      return messages.filter(({ receipt }) => receipt === null).length;
    },
    get kept() {
      return messages.length;
    },
    keptIn: (url) => messages.filter(({ queue }) => queue === url).length,
    send(body, url = urlOf('new-files')) {
      messages.push({ queue: url, body, receipt: null });
      for (const wake of arrived.splice(0)) wake();
    },
    fail(requests) {
      failures = requests;
    },
    redeliver() {
      for (const message of messages) message.receipt = null;
      for (const wake of arrived.splice(0)) wake();
    },
    async close() {
      for (const wake of arrived.splice(0)) wake();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
