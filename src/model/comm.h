/*
 * Replicas that learn together: each has its own copy of the net and its own part of the batch, and
 * they meet in three calls. Threads of one process or processes over MPI: the same code, the same
 * sums in the same order, the same weights.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_COMM_H
#define MODEL_COMM_H

#include <stdbool.h>

#include "akin/core.h"

struct comm {
    unsigned rank, size;
    /* count is the same on every replica, in both. A call that fails leaves numbers of no use.
     * all (size * count) receives every replica's mine (count), in order of rank; the two do not
     * overlap. */
    akin_status (*gather)(struct comm *comm, float *all, const float *mine, size_t count,
                          akin_error *err);
    /* x (count) of every replica becomes their sum, added up in order of rank. */
    akin_status (*sum)(struct comm *comm, float *x, size_t count, akin_error *err);
    /* True on every replica if it is on any; a place where all meet. */
    akin_status (*any)(struct comm *comm, bool *flag, akin_error *err);
};

/* Threads: fills handles[size] (1..1024), which belong together; freed together. A replica that
 * leaves early calls comm_threads_leave, and the others' calls then return AKIN_ERR_CANCELLED
 * instead of waiting for it. */
akin_status comm_threads_create(struct comm **handles, unsigned size, akin_error *err);
void comm_threads_leave(struct comm *comm);
void comm_threads_free(struct comm **handles, unsigned size);

/* MPI (make MPI=1): one replica a process. AKIN_ERR_UNSUPPORTED in a build without it. With a world
 * of one process, or outside mpirun, comm->size is 1. Calls come from the thread that opened it.
 * Once a process: after a close inside mpirun MPI cannot start again (AKIN_ERR_UNSUPPORTED). */
akin_status comm_mpi_open(struct comm **out, akin_error *err);
/* For a replica that fails alone, before close: the others wait for it, and so would MPI's own end.
 * Close then leaves MPI as it is, and the launcher ends the others when this process has ended. */
void comm_mpi_leave(struct comm *comm);
void comm_mpi_close(struct comm *comm);

#endif
