#!/usr/bin/env node
import { argv, exit, stderr, versions } from 'node:process';

// Checked before anything else is loaded: on an older Node the libraries fail with messages that help nobody.
const [major = 0, minor = 0] = versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  stderr.write(`error: lifeboat needs Node 22.19 or newer, this is ${versions.node}\nnext:  Install a newer Node.\n`);
  exit(2);
}
const { main } = await import('./program.ts');
await main(argv);
