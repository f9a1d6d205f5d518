// A program that starts a server, reports it, and then ends in the way that its argument names, or not at all.
import { startPostgres } from '../../embedded/postgres/server.ts';

const ending = process.argv[2];
const { pid, dataDir } = await startPostgres();
console.log(JSON.stringify({ pid, dataDir }));
if (ending === 'throw') throw new Error('an error that nobody catches');
if (ending === 'wait') setInterval(() => {}, 60_000);
