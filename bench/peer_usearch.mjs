// usearch (from npm) as a peer of bench_index; what is said between them stands in bench_peer.h. BUILD
// "M=16,ef_construction=100", SETTING "ef=40". Its JavaScript interface takes the breadth of a search only when an index is
// made, so that one is written to a file and read back for every setting.
//
//     node peer_usearch.mjs SET-FOLDER WORK-FOLDER BUILD THREADS       usearch is looked for in $AKIN_NPM
//
// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import * as fs from 'node:fs';
import * as path from 'node:path';

const K = 10;
const PASS_S = 0.25;
const [setFolder, workFolder, build, threads] = process.argv.slice(2);
const require = createRequire(path.resolve(process.env.AKIN_NPM, 'node_modules/'));
const usearch = require('usearch');

function parameter(list, name, otherwise) {
  const found = list.split(',').find((one) => one.startsWith(`${name}=`));
  return found ? Number(found.slice(name.length + 1)) : otherwise;
}

// In pieces, as one read gives at most 2 GB.
function floats(name) {
  const file = fs.openSync(path.join(setFolder, name), 'r');
  const bytes = new Uint8Array(fs.fstatSync(file).size);
  for (let at = 0; at < bytes.length;)
    at += fs.readSync(file, bytes, at, Math.min(bytes.length - at, 1 << 30), at);
  fs.closeSync(file);
  return new Float32Array(bytes.buffer);
}

function anonymousBytes() {
  return Number(/RssAnon:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'latin1'))[1]) * 1024;
}

function seconds(since) {
  return Number(process.hrtime.bigint() - since) * 1e-9;
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e-6;
}

const [metric, dimText] = fs.readFileSync(path.join(setFolder, 'set.txt'), 'utf8').split(' ');
const dim = Number(dimText);
function makeIndex(ef) {
  return new usearch.Index({
    dimensions: dim,
    metric: metric === 'l2' ? 'l2sq' : 'ip',
    quantization: 'f32',
    connectivity: parameter(build, 'M', 16),
    expansion_add: parameter(build, 'ef_construction', 100),
    expansion_search: ef,
    multi: false,
  });
}

const base = floats('base.f32');
const queries = floats('queries.f32');
const rows = base.length / dim;
const file = path.join(workFolder, `usearch-${process.pid}.index`);
const before = anonymousBytes();
const began = process.hrtime.bigint();
const cpu = cpuSeconds();
const built = makeIndex(64);
built.add(BigUint64Array.from({ length: rows }, (_, i) => BigInt(i)), base, Number(threads));
const wall = seconds(began);
console.log(`ready ${wall} ${cpuSeconds() - cpu} ${(anonymousBytes() - before) / rows}`);
built.save(file);
process.on('exit', () => fs.rmSync(file, { force: true }));

// One pass over all questions, `batch` a call; the answers' keys.
function pass(index, batch) {
  const keys = [];
  for (let q = 0; q < queries.length; q += batch * dim) {
    const some = queries.subarray(q, q + batch * dim);
    keys.push(index.search(some, K, 1).keys);
  }
  return keys;
}

const indexes = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const [setting, batch] = line.split(' ');
  if (!indexes.has(setting)) {
    const index = makeIndex(parameter(setting, 'ef', 64));
    index.view(file);
    indexes.set(setting, index);
  }
  const start = process.hrtime.bigint();
  const cpuStart = cpuSeconds();
  let passes = 0;
  let keys;
  do {
    keys = pass(indexes.get(setting), Number(batch));
    passes++;
  } while (seconds(start) < PASS_S);
  const ids = keys.flatMap((some) => Array.from(some, Number));
  console.log(`${seconds(start) / passes} ${(cpuSeconds() - cpuStart) / passes} ${ids.join(' ')}`);
}
