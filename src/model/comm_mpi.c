/*
 * Replicas as processes, over MPI 3.1 (make MPI=1). The sums are those of comm_threads.c to the
 * bit: MPI_Allreduce adds in whatever order is quickest, so here every process receives its slice
 * of the vector from all others, adds them up in order of rank, and hands the result round. That
 * moves as many bytes as a ring, and takes 8 MB whatever the vector's length.
 *
 * MPI is only started where a launcher has left its marks: without one, MPI_Init would start
 * daemons of its own, or fail. Where MPI can report a fault it becomes a status; a process that
 * dies is the launcher's to deal with: mpirun ends the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "comm.h"

#include <stdlib.h>
#include <string.h>

#ifdef AKIN_MPI

#include <limits.h>
#include <mpi.h>

#include "akin/vec.h"

/* Floats that are sent at once, over all ranks. */
#define BLOCK ((size_t)1 << 20)
/* BLOCK / RANKS_MAX floats a message are still worth sending. */
#define RANKS_MAX 4096

struct mpi_comm {
    struct comm base; /* first: a handle is both */
    MPI_Comm world;   /* our own copy: no one else's messages */
    bool started;     /* MPI by us */
    bool left;        /* see comm_mpi_leave */
    float *send;      /* (size, slice) */
    float *receive;   /* (size, slice) */
    size_t slice;     /* floats a rank */
};

/* AKIN_OK for MPI_SUCCESS; else an error with what MPI says. */
static akin_status check(int code, const char *what, akin_error *err)
{
    char text[MPI_MAX_ERROR_STRING + 1] = "";
    int length = 0;
    if (code == MPI_SUCCESS)
        return AKIN_OK;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS)
        length = 0;
    return akin_error_set(err, AKIN_ERR_IO, "MPI could not %s: %.*s", what, length, text);
}

static akin_status gather(struct comm *comm, float *all, const float *mine, size_t count,
                          akin_error *err)
{
    struct mpi_comm *mpi = (struct mpi_comm *)comm;
    if (count > INT_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "MPI gathers at most %d numbers, not %zu",
                              INT_MAX, count);
    return check(MPI_Allgather(mine, (int)count, MPI_FLOAT, all, (int)count, MPI_FLOAT, mpi->world),
                 "gather", err);
}

/* x (count <= size * slice), in slices of n. */
static akin_status sum_block(struct mpi_comm *mpi, float *x, size_t count, akin_error *err)
{
    const struct akin_kernels *kernels = akin_kernels();
    size_t size = mpi->base.size, n = (count + size - 1) / size;
    memcpy(mpi->send, x, count * sizeof *x);
    memset(mpi->send + count, 0, (size * n - count) * sizeof *x);
    akin_status status = check(
        MPI_Alltoall(mpi->send, (int)n, MPI_FLOAT, mpi->receive, (int)n, MPI_FLOAT, mpi->world),
        "exchange gradients", err);
    if (status != AKIN_OK)
        return status;
    for (size_t r = 1; r < size; r++)
        kernels->axpy(mpi->receive, 1, mpi->receive + r * n, n);
    status = check(
        MPI_Allgather(mpi->receive, (int)n, MPI_FLOAT, mpi->send, (int)n, MPI_FLOAT, mpi->world),
        "hand round sums", err);
    if (status == AKIN_OK)
        memcpy(x, mpi->send, count * sizeof *x);
    return status;
}

static akin_status sum(struct comm *comm, float *x, size_t count, akin_error *err)
{
    struct mpi_comm *mpi = (struct mpi_comm *)comm;
    size_t block = mpi->slice * comm->size;
    akin_status status = AKIN_OK;
    for (size_t at = 0, n; at < count && status == AKIN_OK; at += n) {
        n = count - at < block ? count - at : block;
        status = sum_block(mpi, x + at, n, err);
    }
    return status;
}

static akin_status any(struct comm *comm, bool *flag, akin_error *err)
{
    struct mpi_comm *mpi = (struct mpi_comm *)comm;
    int mine = *flag, found = 0;
    akin_status status =
        check(MPI_Allreduce(&mine, &found, 1, MPI_INT, MPI_LOR, mpi->world), "meet", err);
    if (status == AKIN_OK)
        *flag = found != 0;
    return status;
}

/* Open MPI's mpirun; MPICH's and Slurm's PMI; PMIx, which both may use. */
static bool launched(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_RANK") || getenv("PMIX_RANK");
}

static akin_status start(struct mpi_comm *mpi, akin_error *err)
{
    int started = 0, finished = 0, level = 0;
    MPI_Finalized(&finished);
    if (finished)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "MPI was closed already, and cannot start twice in a process");
    MPI_Initialized(&started);
    akin_status status = AKIN_OK;
    if (!started) {
        status = check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), "start", err);
        if (status != AKIN_OK)
            return status;
        mpi->started = true;
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* else it would abort */
    }
    status = check(MPI_Comm_dup(MPI_COMM_WORLD, &mpi->world), "make a world", err);
    if (status != AKIN_OK)
        return status;
    return check(MPI_Comm_set_errhandler(mpi->world, MPI_ERRORS_RETURN), "start", err);
}

/* Rank, size, and the memory that goes with them. */
static akin_status settle(struct mpi_comm *mpi, akin_error *err)
{
    int rank = 0, size = 0;
    akin_status status = check(MPI_Comm_rank(mpi->world, &rank), "tell the rank", err);
    if (status == AKIN_OK)
        status = check(MPI_Comm_size(mpi->world, &size), "tell the size", err);
    if (status != AKIN_OK)
        return status;
    if (size > RANKS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "%d processes: there can be 1 to %d", size,
                              RANKS_MAX);
    mpi->base = (struct comm){
        .rank = (unsigned)rank, .size = (unsigned)size, .gather = gather, .sum = sum, .any = any};
    mpi->slice = BLOCK / (size_t)size;
    mpi->send = akin_alloc(BLOCK, sizeof *mpi->send);
    mpi->receive = akin_alloc(BLOCK, sizeof *mpi->receive);
    if (!mpi->send || !mpi->receive)
        return akin_error_memory(err, 2 * BLOCK * sizeof *mpi->send, "MPI's messages");
    return AKIN_OK;
}

static void release(struct mpi_comm *mpi)
{
    /* A finalize waits for all; where one has left, the others are elsewhere. */
    if (!mpi->left && mpi->world != MPI_COMM_NULL)
        MPI_Comm_free(&mpi->world);
    if (!mpi->left && mpi->started)
        MPI_Finalize();
    akin_free(mpi->send);
    akin_free(mpi->receive);
    akin_free(mpi);
}

akin_status comm_mpi_open(struct comm **out, akin_error *err)
{
    if (!launched())
        return comm_threads_create(out, 1, err);
    struct mpi_comm *mpi = akin_alloc_zero(1, sizeof *mpi);
    if (!mpi)
        return akin_error_memory(err, sizeof *mpi, "MPI's replica");
    mpi->world = MPI_COMM_NULL;
    akin_status status = start(mpi, err);
    if (status == AKIN_OK)
        status = settle(mpi, err);
    if (status == AKIN_OK) {
        *out = &mpi->base;
    } else {
        mpi->left = true; /* the others may have got further */
        release(mpi);
    }
    return status;
}

/* Not the one replica outside mpirun, which is a thread's. */
static bool is_mpi(const struct comm *comm)
{
    return comm->gather == gather;
}

void comm_mpi_leave(struct comm *comm)
{
    if (comm && is_mpi(comm))
        ((struct mpi_comm *)comm)->left = true;
}

void comm_mpi_close(struct comm *comm)
{
    if (comm && is_mpi(comm))
        release((struct mpi_comm *)comm);
    else
        comm_threads_free(&comm, 1);
}

#else

akin_status comm_mpi_open(struct comm **out, akin_error *err)
{
    (void)out;
    return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                          "this akin was built without MPI: build it with 'make MPI=1' (packages "
                          "libopenmpi-dev and openmpi-bin)");
}

void comm_mpi_leave(struct comm *comm)
{
    (void)comm;
}

void comm_mpi_close(struct comm *comm)
{
    (void)comm;
}

#endif
