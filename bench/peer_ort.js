// ONNX Runtime at the work of bench/bench_train.c: inference of FILE.onnx by its CPU provider.
//
//     node peer_ort.js FILE.onnx PX BATCH SECONDS     with onnxruntime-node in NODE_PATH
//
// Two threads. Prints one line: pictures a second, CPU-seconds, pictures.
//
// SPDX-License-Identifier: Apache-2.0
'use strict';
const ort = require('onnxruntime-node');
const [file, px, batch, seconds] = [process.argv[2], ...process.argv.slice(3).map(Number)];

async function main() {
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 2, interOpNumThreads: 1 });
  const values = Float32Array.from({ length: batch * 3 * px * px }, Math.random);
  const input = { pixels: new ort.Tensor('float32', values, [batch, 3, px, px]) };
  await session.run(input);
  const cpu = process.cpuUsage();
  const began = process.hrtime.bigint();
  let count = 0;
  let wall = 0;
  while (count < 1 || wall < seconds) {
    await session.run(input);
    count++;
    wall = Number(process.hrtime.bigint() - began) * 1e-9;
  }
  const used = process.cpuUsage(cpu);
  console.log(count * batch / wall, (used.user + used.system) * 1e-6, count * batch);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
