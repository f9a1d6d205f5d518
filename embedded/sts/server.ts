/** An STS server in memory, for tests. It supports AssumeRole. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Credentials } from '../bucket/authenticate.ts';
import { S3Error } from '../bucket/errors.ts';
import { parseRequest } from '../bucket/request.ts';
import { type Content, render } from '../bucket/xml.ts';
import { type AssumedRole, type AssumeRoleRequest, assumeRole, type Role, StsError } from './assume_role.ts';

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';

export interface StsServerOptions {
  /** The credentials that may sign requests. Issued ones are added: a bucket server with the same list accepts them. */
  credentials: Credentials[];
  roles: Role[];
}

/** A running server. */
export interface StsServer {
  /** For AWS_ENDPOINT_URL_STS. For example `http://127.0.0.1:34567`. */
  readonly endpoint: string;
  /** All AssumeRole requests, oldest first. */
  readonly requests: AssumeRoleRequest[];
  /** Errors to respond to the next requests with, in this order. */
  readonly errors: StsError[];
  /** The lifetime of credentials that are issued from now on, in milliseconds. Default: one hour. */
  lifetimeMs: number;
  /** Expires all issued credentials now. */
  revokeAll(): void;
  close(): Promise<void>;
}

/** Starts a server on a loopback port: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
export async function startStsServer({ credentials, roles }: StsServerOptions): Promise<StsServer> {
  const issued: Credentials[] = [];
  const server = createServer((message, response) => {
    answer(message).then(
      (role) => send(response, 200, ['AssumeRoleResponse', resultOf(role)]),
      (error) => sendError(response, error),
    );
  });
  const answer = async (message: IncomingMessage): Promise<AssumedRole> => {
    const body = await readText(message);
    const error = sts.errors.shift();
    if (error) {
      sts.requests.push({ params: Object.fromEntries(new URLSearchParams(body)), errorCode: error.code });
      throw error;
    }
    const role = assumeRole(parseRequest(message), body, {
      credentials,
      roles,
      log: sts.requests,
      lifetimeMs: sts.lifetimeMs,
    });
    issued.push(role.credentials);
    credentials.push(role.credentials);
    return role;
  };
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sts: StsServer = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    errors: [],
    lifetimeMs: 3_600_000,
    revokeAll() {
      for (const one of issued) one.expiresAt = new Date(0);
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return sts;
}

async function readText(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function resultOf({ arn, session, credentials }: AssumedRole): Content {
  return [
    [
      'AssumeRoleResult',
      [
        [
          'Credentials',
          [
            ['AccessKeyId', credentials.accessKeyId],
            ['SecretAccessKey', credentials.secretAccessKey],
            ['SessionToken', credentials.sessionToken],
            ['Expiration', credentials.expiresAt?.toISOString()],
          ],
        ],
        [
          'AssumedRoleUser',
          [
            ['AssumedRoleId', `AROAEXAMPLE:${session}`],
            ['Arn', arn],
          ],
        ],
      ],
    ],
    metadata(),
  ];
}

function metadata(): [string, Content] {
  return ['ResponseMetadata', [['RequestId', randomBytes(8).toString('hex')]]];
}

function sendError(response: ServerResponse, error: unknown): void {
  const { status, code, message } =
    error instanceof StsError || error instanceof S3Error
      ? error
      : new StsError(500, 'InternalFailure', String(error));
  send(response, status, [
    'ErrorResponse',
    [
      [
        'Error',
        [
          ['Type', status < 500 ? 'Sender' : 'Receiver'],
          ['Code', code],
          ['Message', message],
        ],
      ],
      ['RequestId', randomBytes(8).toString('hex')],
    ],
  ]);
}

function send(response: ServerResponse, status: number, [root, content]: [string, Content]): void {
  response.writeHead(status, { 'content-type': 'text/xml' });
  response.end(`<${root} xmlns="${NAMESPACE}">${render(content)}</${root}>`);
}
