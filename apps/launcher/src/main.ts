/** `npm start`: starts the services that are not configured, then API and worker, and stops them all when it ends. */
import { resolve } from 'node:path';
import { LaunchFault } from './fault.ts';
import { launch } from './launch.ts';

const root = resolve(import.meta.dirname, '../../..');
const programs = {
  sandbox: ['apps/sandbox/src/main.ts'],
  migrate: ['apps/ops/src/main.ts', 'migrate'],
  seed: ['apps/ops/src/main.ts', 'seed'],
  api: ['apps/api/src/main.ts'],
  worker: ['apps/worker/src/main.ts'],
};

try {
  await launch({ root, programs, env: process.env });
  process.exit(0);
} catch (error) {
  console.error(error instanceof LaunchFault ? error.message : error);
  process.exit(1);
}
