/*
 * What the programs of `make bench-train` have in common: sizes of their work, and the line by which an engine's process
 * (akin's, bench_train_akin, and the peers') tells what it measured:
 *
 *     PICTURES-A-SECOND CPU-SECONDS PICTURES [SHARE-OF-LOADING]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_BENCH_TRAIN_H
#define AKIN_BENCH_TRAIN_H

#define TRAIN_BATCH 256 /* tiles a step */
#define ENCODE_TILES 512
#define ENCODE_BATCH 64 /* of the peers, and of the net alone */
#define ENGINE_THREADS 2

#endif
